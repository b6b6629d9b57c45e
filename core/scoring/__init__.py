"""How far a window is from normal: memory bank, nearest neighbours, tail calibration."""
