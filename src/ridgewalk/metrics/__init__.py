"""
Pure functions that measure frames, features, probabilities and labels. They train nothing, and raise ValueError on arguments that do not fit.

    paths         frames of a path: lengths, steps, arrival, classes along it
    neighbours    balls of k nearest neighbours: which features lie among those of real images
    coverage      precision, recall, density and coverage of generated samples
    samples       Frechet distance of two sets of features
    kernels       maximum mean discrepancy, and the kernel distance of features
    transport     sliced Wasserstein distance of two sets of points
    densities     samples compared with a known density
    inception     inception score of class probabilities
    reconstructions  images compared with their reconstructions
    layout        symmetry and borders of images
    calibration   a binary discriminator on held-out points
    ranks         Spearman's rank correlation with an interval
    statistics    bootstrap intervals, and the agreement of two rankings
"""
