"""What makes sound for training: channel conditions, and fakes by engines, vocoders and networks.
Nothing runs live.
"""
