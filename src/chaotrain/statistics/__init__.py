"""The statistics of chaos over initialisations: functions of plain arrays.

`averages` holds weighted means, Wilson and bootstrap intervals; `onsets` the onsets η_0 and η_1
and the fastest learning rate; `means` the mean of a correlated series; `plateau` the widest range
over which a mean is constant; `finite_size` growth from a given size on.
"""
