"""The case types."""

from emulator.bare_client import (
    BareClient,
)

TYPE_KEYS = [
    *("id", "typeName", "description", "status", "caseStatus", "templateId", "templateName"),
    *("contentTemplateId", "parentId", "isStrictOrder", "creatorName", "createdDate"),
    *("lastModifiedName", "lastModifiedDate"),
]


async def test_case_types_are_those_of_the_cases(client: BareClient) -> None:
    """The list has every type of the seeded cases, with the keys of the table in its order."""
    types = await client.rows("/caseType/list", "caseTypes")
    assert [list(one) for one in types] == [TYPE_KEYS] * len(types)
    seen = {(row["type"], row["typeName"]) for row in client.tenant.rows()}
    assert seen == {(one["id"], one["typeName"]) for one in types}
    nodes = {node for one in types for node in one["caseStatus"].split(",")}
    assert {row["status"] for row in client.tenant.rows()} <= nodes


async def test_case_types_are_found_by_part_of_the_name_and_by_status(client: BareClient) -> None:
    """Both filters narrow the list, and a page begins where it was requested."""
    everything = await client.rows("/caseType/list", "caseTypes")
    named = await client.rows("/caseType/list", "caseTypes", typeName="epai")
    assert [one["typeName"] for one in named] == ["Repair"]
    by_status = [
        len(await client.rows("/caseType/list", "caseTypes", status=status))
        for status in ("Active", "Inactive", "other")
    ]
    assert by_status == [len(everything) - 1, 1, 0]
    answer = await client.post("/caseType/list", {"start": 1, "limit": 2})
    assert answer["result"] == [{"caseTypes": everything[1:3], "count": len(everything)}]


async def test_detail_of_a_case_type(client: BareClient) -> None:
    """The detail is an object with the row of the list under caseTypeInfo."""
    types = await client.rows("/caseType/list", "caseTypes")
    for one in types:
        answer = await client.get(f"/caseType/{one['id']}")
        assert answer == {"resCode": "0", "resMsg": "success", "result": {"caseTypeInfo": one}}
