"""A tenant in a thread, used by other processes."""

import asyncio
import json
import sys
from collections import Counter

from aicc_async.emulator import Fault, run_in_thread

WORKER = """
import http.client, json, sys
host, token, worker = sys.argv[1:]
case = {"description": "d", "type": "T", "contactId": "c", "creatorId": "u", "isAutoAssigned": True}
connection = http.client.HTTPConnection(host)
seen = []
for number in range(20):
    body = json.dumps({"caseInfo": case | {"title": f"{worker}-{number}"}})
    headers = {"Content-Type": "application/json", "access-token": token}
    connection.request("POST", "/service/AICC__Case/1.0.0/openapi/case", body, headers)
    answer = connection.getresponse()
    answer.read()
    seen.append(answer.status)
print(json.dumps(seen))
"""


async def test_three_processes_and_faults_from_another_thread() -> None:
    """A tenant in a thread serves several processes, whose answers match what is in its store."""
    with run_in_thread(cases=0) as tenant:
        tenant.fail("create", Fault.HTTP_500_AFTER, share=0.2)
        tenant.fail("create", Fault.HTTP_503, share=0.2)
        arguments = ("-c", WORKER, tenant.url.removeprefix("http://"), tenant.token())
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, *arguments, str(number), stdout=asyncio.subprocess.PIPE
            )
            for number in range(3)
        ]
        outputs = [(await worker.communicate())[0] for worker in workers]
        seen = Counter(status for output in outputs for status in json.loads(output))
        titles = Counter(row["title"] for row in tenant.rows())
    assert seen.total() == 60
    assert set(seen) == {200, 500, 503}
    assert len(titles) == titles.total() == seen[200] + seen[500]
