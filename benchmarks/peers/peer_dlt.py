"""dlt: its ``rest_api`` source, paged in the body, into the ``filesystem`` destination.

A resource per window, all into one table, read in parallel as its page on performance has it.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from job import LIMIT, PATH, page_body, read_job

os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    EXTRACT__WORKERS="8",
    NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION="true",
)

import dlt
from dlt.destinations import filesystem
from dlt.sources.rest_api import rest_api_source

job = read_job()
resources = [
    {
        "name": f"cases_{number}",
        "table_name": "cases",
        "write_disposition": "append",
        "parallelized": True,
        "endpoint": {
            "path": PATH,
            "method": "POST",
            "json": page_body(window, 0),
            "data_selector": "result[0].caseList",
            "paginator": {
                "type": "offset",
                "limit": LIMIT,
                "offset_body_path": "start",
                "limit_body_path": "limit",
                "total_path": "result[0].count",
            },
        },
    }
    for number, window in enumerate(job.windows)
]
source = rest_api_source(
    {"client": {"base_url": job.url, "headers": job.headers}, "resources": resources}
)
with TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "cases",
        destination=filesystem(Path(job.target).resolve().as_uri()),
        dataset_name="aicc",
        pipelines_dir=folder,
    )
    pipeline.run(source, loader_file_format="jsonl").raise_on_failed_jobs()
