import mix_memory
from sylvian.data import prepare


def test_everything_is_read_and_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(mix_memory, "SESSION_TRIALS", 12)
    prepare(mix_memory.Noise(4), tmp_path, jobs=1)
    row = mix_memory.measure(tmp_path)
    assert row["n_trials"] == 4 * 12
    assert row["hours"] == round(4 * 12 * 5 / 3600, 2)
    values = 2 * 12 * 250 * (128 + 96)  # spike-band power is not read
    assert row["features_mb"] == round(values * 4 / 2**20, 1)
    assert row["peak_mb"] >= row["opened_mb"] >= row["imported_mb"] > 0
