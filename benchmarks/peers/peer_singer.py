"""singer-sdk: a tap with a ``RESTStream``, a partition per window; its messages are the JSON lines.

https://sdk.meltano.com/en/latest/guides/pagination-classes.html
"""

from job import LIMIT, PATH, Job, page_body, read_job
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import OffsetPaginator

JOB: Job = read_job()
TEXT = (
    "id caseNo title priority state status origin type typeName createdDate closedDate dueDate"
    " creatorId ownerId contactId contactPhone extternalNo parentId reason stayDate suspendDate"
).split()


class TotalPaginator(OffsetPaginator):
    """Ends where the announced total does."""

    def has_more(self, response):
        """Return whether the total is beyond this page."""
        return self.current_value + LIMIT < response.json()["result"][0]["count"]


class CasesStream(RESTStream):
    """The list of cases."""

    name = "cases"
    path = PATH
    url_base = JOB.url
    http_method = "POST"
    payload_as_json = True
    primary_keys = ("id",)
    records_jsonpath = "$.result[0].caseList[*]"
    schema = th.PropertiesList(
        *(th.Property(name, th.StringType, nullable=True) for name in TEXT),
        additional_properties=True,
    ).to_dict()

    @property
    def partitions(self):
        """Return a context for each window."""
        return [{"startTime": start, "endTime": end} for start, end in JOB.windows]

    @property
    def http_headers(self):
        """Return the headers of every request."""
        return JOB.headers

    def get_new_paginator(self):
        """Return where a window begins."""
        return TotalPaginator(0, LIMIT)

    def prepare_request_payload(self, context, next_page_token):
        """Return the body of a page."""
        return page_body((context["startTime"], context["endTime"]), next_page_token or 0)


class CasesTap(Tap):
    """The tap."""

    name = "tap-cases"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self):
        """Return the only stream."""
        return [CasesStream(self)]


CasesTap().sync_all()
