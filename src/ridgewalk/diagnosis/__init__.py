"""
Is a discriminator alive, and does it agree with the judges?

    measure         both sides' logits -> figures; a fresh probe
    verdict         figures -> one of the words of ``ridgewalk.thresholds``, and a sentence
    sensors         a trained sensor, on held-out codes
    while_training  the discriminators of a training, on held-out images
    guides          a discriminator that guides a diffusion, at each level of noise
    misalignment    does what a sensor calls plausible decode to something real?
"""
