"""What makes sound for training: channel conditions now; fakes from vocoders and codecs. Nothing here runs live."""
