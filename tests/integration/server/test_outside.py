"""Which Temporal Service is used: only what was asked for, and clearly said where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernels import kernel
from temporalio.client import Client

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import notebook_key
from workshop_lib.server import connections, outside
from workshop_lib.server.connections import Connections
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A configuration file that is there and was not asked for."""
    for name in ("WORKSHOP_SERVICE", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "temporal.toml"
    config.write_text('[profile.mine]\naddress = "mine.invalid:7233"\nnamespace = "n"\napi_key = "SECRET"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(config))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "other.invalid:7233")
    return config


def test_nothing_is_used_that_was_not_asked_for() -> None:
    assert outside.chosen("key") is None
    assert "the Temporal profile 'mine'" in (outside.ignored() or "")
    assert "TEMPORAL_ADDRESS" in (outside.ignored() or "")


def test_a_profile_is_used_when_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_SERVICE", "profile:mine")
    monkeypatch.setenv("JUPYTERHUB_USER", "Ann B.")
    chosen = outside.chosen("01-plain-abc")
    assert chosen is not None
    assert chosen.address == "mine.invalid:7233", "variables do not change a profile that was asked for"
    assert chosen.prefix == "ann-b-01-plain-abc-"
    assert "SECRET" not in repr(chosen)


def test_prefixes_never_begin_with_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a reset in one notebook would end another's workflows."""
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "env.invalid:7233")
    keys = []
    for name in (
        "/a/a_notebook_with_a_very_long_name_indeed_1.ipynb",
        "/a/a_notebook_with_a_very_long_name_indeed_2.ipynb",
    ):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        keys += [notebook_key(), f"{notebook_key()}x2"]
    prefixes = [chosen.prefix for key in keys if (chosen := outside.chosen(key))]
    assert len(prefixes) == 4
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
    assert len(set(prefixes)) == 4


def test_variables_are_used_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    chosen = outside.chosen("key")
    assert chosen is not None
    assert chosen.address == "other.invalid:7233"
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    with pytest.raises(WorkshopError, match="hold no address"):
        outside.chosen("key")


@pytest.mark.parametrize("choice", ["profile:missing", "cloud", "env:x"])
def test_a_choice_without_meaning_is_explained(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_SERVICE", choice)
    with pytest.raises(WorkshopError, match="WORKSHOP_SERVICE=env"):
        outside.chosen("key")


async def test_a_service_that_does_not_answer_is_named(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 1.0)
    elsewhere = outside.OutsideService("the TEMPORAL_* variables", {"target_host": "127.0.0.1:1"}, "ann-")
    with pytest.raises(WorkshopError) as raised:
        await Connections(ws.server, elsewhere, list).version()
    for part in ("127.0.0.1:1", "the TEMPORAL_* variables", "unset WORKSHOP_SERVICE"):
        assert part in str(raised.value)


async def test_on_an_outside_service_everything_shared_has_a_prefix(ws: Workshop, tmp_path: Path) -> None:
    """Another server takes the part of the outside service."""
    env = {"WORKSHOP_SERVICE": "env", "TEMPORAL_ADDRESS": ws.server.address, "JUPYTERHUB_USER": "ann"}
    with kernel(tmp_path, JPY_SESSION_NAME="/class/05.ipynb", **env) as k:
        text = k.ok(
            "from temporalio.client import Client\nfrom temporalio.worker import Worker\n"
            "from workshop_lib import Workshop\nws = await Workshop.start()\n"
            "client = await Client.connect(**await ws.connection('finance'))\n"
            "name = await ws.endpoint('prices', namespace='finance', task_queue='prices')\n"
            "print(client.namespace, name)"
        )
        assert f"at {ws.server.address}, from the TEMPORAL_* variables" in text
        namespace, endpoint = text.split()[-2:]
        assert namespace.startswith("ann-05-")
        assert namespace.endswith("-finance")
        assert endpoint.startswith("ann-05-")
        k.ok("%%workflow shout\nfrom temporalio import workflow\n@workflow.defn\nclass Shout:\n    @workflow.run\n"
             "    async def run(self, text: str) -> str:\n        return text.upper()\n")  # fmt: skip
        k.ok("p = await ws.spawn(Worker, client, task_queue='shouts', workflows=[Shout])")
        cell = "print(await client.execute_workflow(Shout.run, 'hey', id=ws.id('s'), task_queue='shouts'))"
        assert "HEY" in k.ok(cell)
        picture = k.ok("from workshop_lib import topology\nawait topology(ws)")
        assert "endpoint prices, ✗ nobody polls" in picture, "by the workshop's own names"
        assert "ann-05" not in picture
        output = k.run("await ws.server.kill()")
        assert output.error == "WorkshopError"
        assert "no server of its own" in output.text
        k.ok("await client.start_workflow('X', id='left', task_queue='nobody')")
        assert "1 workflow execution ended" in k.ok("await ws.reset()")
    here = await Client.connect(ws.server.address, namespace=namespace)
    assert (await here.get_workflow_handle("left").describe()).status is not None
