# SPDX-License-Identifier: Apache-2.0
"""Real videos, images and sound: how they are made, kept, linked, and checked where they come with a request."""
