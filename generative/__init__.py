"""Makes training audio: channel conditions, and fakes by engines, vocoders and networks. Not part
of the live path.
"""
