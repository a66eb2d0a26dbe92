# SPDX-License-Identifier: Apache-2.0
"""The operators, where users import them from."""

from kling_provider.operators.budget import KlingBudgetOperator
from kling_provider.operators.download import KlingDownloadOperator
from kling_provider.operators.generate import KlingGenerateOperator
from kling_provider.operators.reconcile import KlingReconcileOperator
from kling_provider.operators.submit import KlingSubmitOperator

__all__ = [
    "KlingBudgetOperator",
    "KlingDownloadOperator",
    "KlingGenerateOperator",
    "KlingReconcileOperator",
    "KlingSubmitOperator",
]
