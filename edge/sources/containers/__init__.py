"""How sound lies in files: where each sound of a joined file begins and ends, and whether all of it is there.

Nothing is decoded here. Every format that says how long its pieces are is walked piece by piece, since what a header
says of the whole is an estimate (MP3), was never filled in (WAV and FLAC from a pipe) or speaks of the first only.
"""
