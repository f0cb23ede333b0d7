import numpy as np

from cvae.noise import further_noise


def test_further_noise_follows_from_each_row_alone():
    noise = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    further = further_noise(noise, 50)
    assert further.dtype == np.float32 and np.array_equal(further_noise(noise[7:9], 50), further[7:9])
    assert abs(further.mean()) < 0.05 and abs(further.std() - 1) < 0.05 and len(np.unique(further)) > 9000
