"""Spark's source and dlt's, in a company's network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.company import GATEWAY_KEY, HEADERS, Company, company
from helpers.tinyproxy import PASSWORD

from aicc_async import ConfigError, NetworkSettings
from aicc_async._api import CaseApi
from aicc_async.connectors.spark.options import Source, source_from_options
from aicc_async.emulator import run_in_thread


@pytest.fixture
def dlt_cases() -> Callable[..., Any]:
    """Return dlt's source."""
    pytest.importorskip("dlt", reason="dlt is missing: pip install 'aicc-async[dlt]'")
    from aicc_async.connectors.dlt import aicc_cases  # noqa: PLC0415  (where it is installed)

    return aicc_cases


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Run a tenant with twenty cases in such a network."""
    with (
        run_in_thread(cases=20) as tenant,
        company(tenant, tmp_path_factory.mktemp("company")) as found,
    ):
        yield found


@pytest.fixture(autouse=True)
def credentials(network: Company, set_variables: Callable[..., None]) -> None:
    """Sign in by variables; nothing has come yet."""
    tenant = network.tenant
    tenant.requests.clear()
    set_variables(AICC_CLIENT_ID=tenant.client_id, AICC_CLIENT_SECRET=tenant.client_secret)


def read(source: Source) -> int:
    """Count the cases, as a task that has all of them."""

    async def count(api: CaseApi) -> int:
        return len([case.id async for case in api.cases(source.query)])

    return source.run(count)


def test_spark_s_options(network: Company) -> None:
    """All of it is options, of which Spark hides those that hold secrets."""
    options = {
        "base_url": network.url,
        "since": "2025-01-01",
        "until": "2025-12-31",
        "proxy_url": network.proxy.url,
        "secret_headers": HEADERS,
        **network.files,
    }
    source = source_from_options(options, {})
    assert read(source) == 20
    network.check()
    assert PASSWORD not in repr(source)
    assert GATEWAY_KEY not in repr(source)


def test_spark_s_options_go_before_variables(network: Company) -> None:
    """One by one: what is no option is taken from the variables."""
    environ = {"AICC_PROXY": "http://other:1", "AICC_HEADERS": "X-Stage: RELEASE"}
    options = {"base_url": network.url, "proxy_url": network.proxy.address, "allow_http": "true"}
    settings = source_from_options(options, environ).settings
    expected = NetworkSettings(proxy=network.proxy.address, headers={"X-Stage": "RELEASE"})
    assert settings["network"] == expected
    assert settings["allow_http"] is True
    with pytest.raises(ConfigError, match=r"^secret_headers must be 'Name: value' lines$"):
        source_from_options({**options, "secret_headers": GATEWAY_KEY}, {})


@pytest.mark.parametrize("by_variables", [True, False])
def test_dlt_s_settings(
    network: Company,
    set_variables: Callable[..., None],
    tmp_path: Path,
    dlt_cases: Callable[..., Any],
    by_variables: bool,
) -> None:
    """They are arguments, which dlt may take from its secrets, or the variables."""
    tenant = network.tenant
    variables = {f"AICC_{name.upper()}": value for name, value in network.files.items()}
    variables |= {"AICC_PROXY": network.proxy.url, "AICC_HEADERS": HEADERS}
    who: dict[str, Any] = {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    options: dict[str, Any] = {"proxy": network.proxy.url, "headers": HEADERS, **network.files}
    if by_variables:
        set_variables(**variables)
        options = {}
    import dlt  # noqa: PLC0415  (where it is installed)

    database = dlt.destinations.duckdb(str(tmp_path / "cases.duckdb"))
    pipeline = dlt.pipeline(
        "network", destination=database, dataset_name="d", pipelines_dir=str(tmp_path / "dlt")
    )
    pipeline.run(dlt_cases(network.url, **who, **options), loader_file_format="parquet")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM cases") == [(20,)]
    network.check()


def test_dlt_s_secrets(
    network: Company, dlt_cases: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of dlt's own configuration is the source's."""
    monkeypatch.setenv("SOURCES__AICC_CASES__PROXY", "socks5://proxy:1080")
    with pytest.raises(ConfigError, match=r"^proxy must be an http:// or https:// URL "):
        dlt_cases(network.url)
