"""A bare HTTP client of an emulated tenant, which shares no code with the package's own client."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from attrs import frozen

from aicc_async.emulator import Emulator

SAMPLES = Path(__file__).parents[1] / "samples"
OPENAPI = "/service/AICC__Case/1.0.0/openapi"
LIST = f"{OPENAPI}/case/list"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
AICC_TYPE = "application/json%3Bcharset=UTF-8"
PLAIN_TYPE = "application/json; charset=utf-8"
FIRST_PAGE = b'{"start":0,"limit":100}'
TOKEN = "/baas/auth/v1.0/oauth2/token"
TYPE = "cvmC0000014Oc9jgT7ZI"
STATUS_PATH = "/status/update"

# The whole answer of document 002, to the byte.
NO_RESULT = b'{"resCode":"0","resMsg":"Success"}'
COUNTS = ["newCases", "finishedCases", "unfinishedCases", "averageDuration", "overCases"]

QFLOW_SIGN_IN = {"UserName": Emulator.qflow_user, "Password": Emulator.qflow_password}

Wire = dict[str, Any]
Headers = Mapping[str, str]
NO_HEADERS: Headers = {}


@frozen
class Reply:
    """A whole answer, as it came."""

    status: int
    headers: Headers
    body: bytes

    @property
    def content_type(self) -> str:
        """The literal header."""
        return self.headers["Content-Type"]

    def json(self) -> Any:
        """Parse the body, whatever its content type."""
        return json.loads(self.body)


class BareClient:
    """A client of one tenant, signed in; ``headers`` go with every request."""

    def __init__(self, tenant: Emulator, http: aiohttp.ClientSession) -> None:
        self.tenant = tenant
        self.http = http
        self.headers = {"Content-Type": JSON, "access-token": tenant.token()}

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: Headers = NO_HEADERS
    ) -> Reply:
        """Send bytes, or a value as JSON, with these headers beside or instead of the usual."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url, sent = f"{self.tenant.url}{path}", {**self.headers, **headers}
        async with self.http.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def post(self, path: str, body: Any) -> Any:
        """Post to the AICC interface, parse the answer."""
        return (await self.send("POST", f"{OPENAPI}{path}", body)).json()

    async def get(self, path: str) -> Any:
        """Get from the AICC interface, parse the answer."""
        return (await self.send("GET", f"{OPENAPI}{path}")).json()

    async def list_cases(self, start: int = 0, limit: int = 100, **filters: Any) -> Any:
        """Request a page of cases, parse the answer."""
        return await self.post("/case/list", {"start": start, "limit": limit} | filters)

    async def page(self, start: int = 0, limit: int = 100, **filters: Any) -> tuple[list[str], int]:
        """Request a page of cases, return its ids and its count."""
        [result] = (await self.list_cases(start, limit, **filters))["result"]
        return [row["id"] for row in result["caseList"]], result["count"]

    async def ids(self, start: int = 0, limit: int = 100, **filters: Any) -> list[str]:
        """Request a page of cases, return its ids."""
        return (await self.page(start, limit, **filters))[0]

    async def count(self, start: int = 0, limit: int = 100, **filters: Any) -> int:
        """Request a page of cases, return its count."""
        return (await self.page(start, limit, **filters))[1]

    async def case_rows(self, **filters: Any) -> list[Any]:
        """Request a page of cases, return its rows."""
        [result] = (await self.list_cases(**filters))["result"]
        return list(result["caseList"])

    async def code(self, **filters: Any) -> str:
        """Request a page of cases, return the resCode."""
        return str((await self.list_cases(**filters))["resCode"])

    async def create(self, **fields: Any) -> str:
        """Create a case like the sample's, return its id."""
        return str((await self.post("/case", new_case(**fields)))["result"]["caseId"])

    async def modify(self, case_id: str, **fields: Any) -> Any:
        """Modify a case, parse the answer."""
        mandatory = {"id": case_id, "title": "t", "description": "d", "creatorId": "c"}
        return await self.post("/case/modify", {"caseInfo": mandatory | fields})

    async def detail(self, case_id: str) -> Any:
        """Get a case's detail, return the one object of its result."""
        [result] = (await self.get(f"/case/{quote(case_id, safe='')}"))["result"]
        return result

    async def create_task(self, **fields: Any) -> str:
        """Create a task, return its id."""
        answer = await self.post("/task", {"taskInfo": {"title": "t"} | fields})
        return str(answer["result"]["taskId"])

    async def rows(self, path: str, key: str, **filters: Any) -> list[Any]:
        """List the rows under a key; the count must be theirs, since all of them fit."""
        answer = await self.post(path, {"start": 0, "limit": 100} | filters)
        [result] = answer["result"]
        assert result["count"] == len(result[key])
        return list(result[key])

    async def qflow(
        self, method: str, path: str, body: Any = None, *, headers: Headers = NO_HEADERS
    ) -> Any:
        """Send a request to Q-Flow, return the status and the parsed answer."""
        reply = await self.send(method, f"/API/{path}", body, headers=headers)
        assert reply.content_type == PLAIN_TYPE
        return reply.status, reply.json()

    async def enqueue(self, **fields: Any) -> Any:
        """Enqueue a case in Q-Flow, return its detail."""
        _, record = await self.qflow("POST", "Cases", {"ServiceId": 2} | fields)
        return (await self.qflow("GET", f"Cases/{record['CaseId']}"))[1]


def sample(name: str) -> Any:
    """Parse a printed block of the documents."""
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def new_case(**fields: Any) -> Wire:
    """Build the create request of the documents, with other fields."""
    request: Wire = sample("000_create_request")
    return {"caseInfo": request["caseInfo"] | fields}


def transfer(case_id: str, **fields: Any) -> Wire:
    """Build a request for another owner."""
    owner = {"ownerId": "10gg1", "ownerType": "user", "creatorId": "10gd1", "remark": "r"}
    return {"id": case_id} | owner | fields


def note(case_id: str, **fields: Any) -> Wire:
    """Build a request for a note on a case."""
    info = {"type": "Iternal", "title": "called", "description": "nobody there"}
    return {"caseId": case_id, "creatorId": "10gd1", "processInfo": info | fields}


def sign_in_form(tenant: Emulator, **changes: str) -> Wire:
    """Build the form of a token request."""
    return {
        "grant_type": "client_credentials",
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secret,
    } | changes
