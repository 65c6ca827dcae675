"""Which Temporal Service is used: only what was asked for, and clearly said where that fails."""

import getpass
import os
import re
from pathlib import Path

import pytest
from kernels import kernel
from temporalio.client import Client

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import StateFolder, notebook_key
from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.proxy import Authority, NamespaceProxy
from workshop_lib.server import outside
from workshop_lib.server.connections import Connections
from workshop_lib.server.outside import OutsideService
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.finance.contract import Finance, StockQuery
from workshop_lib.teams.offering import offer
from workshop_lib.workshop import Workshop


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


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "01-plain-abc")


def test_only_what_was_asked_for_is_used(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(outside.chosen(folder), OutsideService)
    assert {"the Temporal profile 'mine'", "TEMPORAL_ADDRESS"} <= set(re.split(r"[:.] |, ", outside.ignored() or ""))
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    assert outside.chosen(folder).address == "other.invalid:7233"
    monkeypatch.setenv("WORKSHOP_SERVICE", "profile:mine")
    monkeypatch.setenv("JUPYTERHUB_USER", "Ann B.")
    chosen = outside.chosen(folder)
    assert chosen.address == "mine.invalid:7233", "variables do not change a profile that was asked for"
    assert re.fullmatch("ann-b-[0-9a-f]{6}-01-plain-abc-", chosen.prefix)
    assert outside.chosen(folder).prefix == chosen.prefix, "the same after a restart, and in the notebook's processes"


def test_an_administrator_knows_a_learners_names_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "anything.a1b2c")
    for name, prefix in {"Ann-7": "ann7-05-", "a learner with a long name": "alearnerwith-05-"}.items():
        monkeypatch.setenv("WORKSHOP_LEARNER", name)
        cloud = outside.chosen(StateFolder(tmp_path / "05-day-2-nexus-0a1b2c"))
        assert (cloud.prefix, cloud.suffix) == (prefix, ".a1b2c")
    assert outside.chosen(StateFolder(tmp_path / "my-own-0a1b2c")).prefix == "alearnerwith-my-own-0a1b2c-"


async def test_on_temporal_cloud_the_account_is_a_part_of_a_namespaces_name(ws: Workshop, folder: StateFolder) -> None:
    connect = {"target_host": ws.server.address}
    own = Connections(OutsideService(folder, "a profile", connect, "ann7-05-", ".a1b2c"), list)
    sales = await Client.connect(**await own.connection("sales"))
    assert (sales.namespace, own.own_name(sales.namespace)) == ("ann7-05-sales.a1b2c", "sales")
    async with await offer(own, "finance", "finance", finance.WORKER, Allowlist([sales.namespace])):
        for endpoint in ("finance", "ann7-05-finance", own.namespace("finance")):
            prices = sales.create_nexus_client(Finance, endpoint)
            price = await prices.execute_operation(Finance.stock_price, StockQuery("ACME"), id=endpoint)
            assert price.ticker == "ACME", "the handler knows its caller by the real name"
    assert sorted(await own.namespaces()) == ["finance", "sales"]
    assert await own.endpoints() == {"finance": ("finance", "finance")}


@pytest.mark.parametrize("choice", ["profile:missing", "cloud", "env:x", "env"])
def test_a_choice_without_meaning_is_named(choice: str, folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_SERVICE", choice)
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    with pytest.raises(WorkshopError, match="WORKSHOP_SERVICE=env"):
        outside.chosen(folder)
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", "/no/such/file")
    with pytest.raises(WorkshopError, match="no/such/file" if choice == "env" else "WORKSHOP_SERVICE=env"):
        outside.chosen(folder)


def test_prefixes_never_begin_with_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a reset in one notebook would end another's workflows. The user's id has no name, as in containers."""
    monkeypatch.setattr(getpass, "getuser", lambda: dict[str, str]()["uid not found"])
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    keys = []
    for number in "12":
        monkeypatch.setenv("JPY_SESSION_NAME", f"a_notebook_with_a_very_long_name_indeed_{number}.ipynb")
        keys += [notebook_key(), f"{notebook_key()}x2"]
    prefixes = {outside.chosen(StateFolder(tmp_path / key)).prefix for key in keys}
    assert len(prefixes) == 4
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
    assert all(re.fullmatch(rf"u{os.getuid()}-[a-z0-9-]+-", prefix) for prefix in prefixes), "endpoints may begin so"


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
        assert re.fullmatch("ann-[0-9a-f]{6}-05-.*-finance", namespace)
        assert endpoint == namespace.replace("finance", "prices")
        k.ok("%%workflow shout\nfrom temporalio import workflow\n@workflow.defn\nclass Shout:\n    @workflow.run\n"
             "    async def run(self, text: str) -> str:\n        return text.upper()\n")  # fmt: skip
        k.ok("p = await ws.spawn(Worker, client, task_queue='shouts', workflows=[Shout])")
        cell = "print(await client.execute_workflow(Shout.run, 'hey', id=ws.id('s'), task_queue='shouts'))"
        assert "HEY" in k.ok(cell)
        picture = k.ok("from workshop_lib import topology\nawait topology(ws)")
        assert "endpoint prices, ✗ nobody polls" in picture, "by the workshop's own names"
        assert "ann-" not in picture
        assert "is not killed" in k.ok("await ws.server.kill()\nawait ws.server.restart()")
        assert "server.dies: happened 0 times" in k.ok("with ws.fault('server.dies'):\n    pass")
        told = k.ok("await ws.server.restart(dynamic_config={'frontend.rps': '10'})")
        assert "--dynamic-config-value 'frontend.rps=10'" in told, "what its administrator can do"
        k.ok("await client.start_workflow('X', id='left', task_queue='nobody')")
        assert "1 Workflow ended" in k.ok("await ws.reset()")
    here = await Client.connect(ws.server.address, namespace=namespace)
    assert (await here.get_workflow_handle("left").describe()).status is not None


async def test_what_the_credentials_may_not_do_is_said_with_the_commands(
    ws: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A certificate that opens one namespace, which an administrator has made."""
    authority = Authority()
    proxy = await NamespaceProxy.start(ws.server.address, authority)
    await ws.connection("ann-default")
    connect = {"target_host": proxy.address, "tls": authority.tls("ann-default")}
    narrow = Connections(OutsideService(StateFolder(tmp_path / "05-nexus"), "a profile", connect, "ann-"), list)
    said = await narrow.missing_rights()
    assert "temporal operator namespace create --retention 7d --namespace ann-finance" in said
    assert "--name ann-finance --target-namespace ann-finance --target-task-queue finance" in said
    assert "--namespace ann-default" not in said, "it is there"
    await narrow.connection("default")
    assert await narrow.namespaces() == ["default"]
    assert await narrow.endpoints() == {}
    with pytest.raises(WorkshopError, match="Ask its administrator"):
        await narrow.connection("sales")
    capsys.readouterr()
    assert await narrow.endpoint("it", namespace="default", task_queue="it") == "ann-it"
    assert "--name ann-it --target-namespace ann-default --target-task-queue it" in capsys.readouterr().out
    await proxy.close()
    assert not await ws.missing_rights(), "on a server of one's own"
