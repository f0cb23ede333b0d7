import pytest

from preprocess.shards.records import check_counts, check_shards
from preprocess.utils.errors import UserError
from preprocess.utils.folders import read_manifest


def test_a_shard_holds_as_many_records_as_its_manifest_says(shards):
    told = read_manifest(shards, "")["shards"]
    check_counts(shards, told, "the command")
    name, shard = next(iter(told.items()))
    with pytest.raises(UserError, match=f"{name} does not hold its {shard['count'] + 1} records"):
        check_counts(shards, told | {name: shard | {"count": shard["count"] + 1}}, "the command")
    with pytest.raises(UserError, match=f"lacks {name} or has only a part of it"):
        check_shards(shards, told | {name: shard | {"bytes": shard["bytes"] + 1}}, "the command")
