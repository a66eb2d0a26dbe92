# SPDX-License-Identifier: Apache-2.0
"""What runs on a worker. Operators and sensors import it when a task runs, never while a Dag is parsed."""
