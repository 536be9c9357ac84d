"""The statistics of chaos: functions of plain arrays.

`averages` holds weighted means over initialisations, Wilson and bootstrap intervals; `onsets` the
onsets η_0 and η_1 and the fastest learning rate; `means` the mean of a correlated series; `clock`
the start and the end of a chaotic transient; `survival` the lifetimes of many;
`plateau` the widest range over which a mean is constant; `finite_size` growth from a size on.
"""
