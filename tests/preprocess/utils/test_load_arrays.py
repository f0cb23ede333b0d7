import pickle
import zipfile

import numpy as np
import pytest

from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.errors import UserError
from preprocess.utils.load_arrays import map_array, read_state_dict

torch = pytest.importorskip("torch")


def test_a_state_dict_is_read_without_pytorch(tmp_path):
    theirs = torch.load(PASTURE_CLIP, map_location="cpu", weights_only=True)
    own = read_state_dict(PASTURE_CLIP, "fetch it again")
    assert set(own) == set(theirs)
    assert all(np.array_equal(own[name], tensor.float().numpy()) for name, tensor in theirs.items())


def test_an_array_is_mapped_and_read_where_it_is_used(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6).reshape(3, 2))
    mapped = map_array(tmp_path / "x.npy", (3, 2), "make it again")
    assert isinstance(mapped, np.memmap) and mapped[1, 1] == 3


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", pickle.dumps([1]), None])
def test_what_is_no_such_array_is_refused(tmp_path, content):
    if content is None:
        np.save(tmp_path / "x.npy", np.arange(4))
    else:
        (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.npy is damaged .*; make it again"):
        map_array(tmp_path / "x.npy", (3, 2), "make it again")


class Evil:
    def __reduce__(self):
        return print, ("called",)


@pytest.mark.parametrize("content", [pickle.dumps({"a": Evil()}), b"", pickle.dumps([1]), b"\x80\x04garbage"])
def test_what_holds_anything_else_is_refused_and_not_called(tmp_path, capsys, content):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", content)
    with pytest.raises(UserError, match="x.pt is damaged .*; fetch it again"):
        read_state_dict(tmp_path / "x.pt", "fetch it again")
    assert capsys.readouterr().out == ""


def test_a_tensor_in_another_order_is_refused(tmp_path):
    torch.save({"a": torch.arange(6.0).reshape(2, 3).T}, tmp_path / "x.pt")
    with pytest.raises(UserError, match="in another order"):
        read_state_dict(tmp_path / "x.pt", "fetch it again")


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"no zip")
    with pytest.raises(UserError, match="damaged"):
        read_state_dict(tmp_path / "x.pt", "fetch it again")
