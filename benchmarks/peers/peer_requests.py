"""The obvious loop: ``requests`` with a session, a page after the other."""

import json
from pathlib import Path

import requests
from job import LIMIT, PATH, page_body, read_job

job = read_job()
with requests.Session() as session, Path(job.target).open("w", encoding="utf-8") as file:
    session.headers.update(job.headers)
    for window in job.windows:
        start, count = 0, 1
        while start < count:
            response = session.post(job.url + PATH, json=page_body(window, start))
            response.raise_for_status()
            [result] = response.json()["result"]
            count = result["count"]
            rows = result["caseList"]
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            start += LIMIT
