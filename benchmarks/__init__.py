# SPDX-License-Identifier: Apache-2.0
"""What the provider costs, beside what people use today; ``python -m benchmarks.run`` runs it, ``docs/performance.md`` shows it."""
