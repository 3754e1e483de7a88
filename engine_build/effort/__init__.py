"""Fit what each measure of a voice counts for in vocal effort: from recordings of acted speech to a small file.

`corpus` reads who says what and how, `sessions` makes one long recording of each speaker, `hearing` measures it as the
program does, `ranking` fits weights with signs, `fit` puts it together by folds of speakers, `report` writes what came
of it, and `command` is `python -m engine_build effort`.
"""
