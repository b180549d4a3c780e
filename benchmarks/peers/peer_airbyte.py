"""airbyte-cdk: a low-code manifest, windows by its cursor; its messages are the JSON lines.

https://docs.airbyte.com/connector-development/config-based/understanding-the-yaml-file/pagination
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from job import LIMIT, PATH, read_job

job = read_job()
TIME = "%Y-%m-%d %H:%M:%S"


def body(field: str) -> dict[str, object]:
    """Return the option that puts a value into the body."""
    return {"type": "RequestOption", "inject_into": "body_json", "field_path": [field]}


def moment(text: str) -> dict[str, object]:
    """Return an end of the range."""
    return {"type": "MinMaxDatetime", "datetime": text, "datetime_format": TIME}


STREAM = {
    "type": "DeclarativeStream",
    "name": "cases",
    "primary_key": ["id"],
    "retriever": {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": job.url,
            "path": PATH,
            "http_method": "POST",
            "request_headers": job.headers,
        },
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["result", "0", "caseList"]},
        },
        "paginator": {
            "type": "DefaultPaginator",
            "page_size_option": body("limit"),
            "page_token_option": body("start"),
            "pagination_strategy": {
                "type": "OffsetIncrement",
                "page_size": LIMIT,
                "inject_on_first_request": True,
            },
        },
    },
    "incremental_sync": {
        "type": "DatetimeBasedCursor",
        "cursor_field": "createdDate",
        "datetime_format": TIME,
        "start_datetime": moment(job.windows[0][0]),
        "end_datetime": moment(job.windows[-1][1]),
        "start_time_option": body("startTime"),
        "end_time_option": body("endTime"),
        "step": "P31D",
        "cursor_granularity": "PT1S",
    },
    "schema_loader": {
        "type": "InlineSchemaLoader",
        "schema": {"type": "object", "additionalProperties": True, "properties": {}},
    },
}
MANIFEST = {
    "version": "7.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["cases"]},
    "streams": [STREAM],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 8},
}
CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "cases",
                "json_schema": {},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}
with TemporaryDirectory() as folder:
    config, catalog = Path(folder, "config.json"), Path(folder, "catalog.json")
    config.write_text("{}")
    catalog.write_text(json.dumps(CATALOG))
    source = ConcurrentDeclarativeSource(
        catalog=None, config={}, state=None, source_config=MANIFEST
    )
    launch(source, ["read", "--config", str(config), "--catalog", str(catalog)])
