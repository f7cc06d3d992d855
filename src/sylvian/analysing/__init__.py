"""Why an encoder reads what it reads: the analyses of one or more runs, as numbers and figures."""

from sylvian.analysing.verb import ANALYSES, AnalyseConfig, AnalysisResult, analyse

__all__ = ["ANALYSES", "AnalyseConfig", "AnalysisResult", "analyse"]
