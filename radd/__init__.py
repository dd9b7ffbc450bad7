"""The ground floor: sound -> features -> embedding -> neighbours -> score. No device, thread, clock or database."""
