# SPDX-License-Identifier: Apache-2.0
"""The operators, where users import them from."""

from kling_provider.operators.download import KlingDownloadOperator
from kling_provider.operators.generate import KlingGenerateOperator
from kling_provider.operators.submit import KlingSubmitOperator

__all__ = ["KlingDownloadOperator", "KlingGenerateOperator", "KlingSubmitOperator"]
