"""What is asked of every answer besides schemathesis' own checks.

Its `positive_data_acceptance` would have whatever fits the schema be accepted. A schema cannot say all that is asked of a
request (that a cursor is one of ours, that a moment is in the future, that a text is more than blanks): such a request is
answered with 422 `invalid_fields`. What a schema can say it must say, though, and that is asked here.
"""

import atexit
import collections
import json
import os
import re

import schemathesis
from schemathesis.generation import GenerationMode

# How extraction and validation speak of what a schema has words for.
SHAPE = re.compile(
    r"length is lower than|lower than|greater than|missing field|unknown field|unknown variant|invalid type|expected an id"
)
# JSON Schema takes 1.0 and 10**30 for integers, and a length in it is one of characters, not of bytes.
BEYOND_SCHEMA = re.compile(r"invalid type: floating point|length is greater than")

# How often which status was answered, for whoever judges whether anything was asked at all.
statuses = collections.Counter()


@schemathesis.hook
def after_call(ctx, case, response):
    statuses[response.status_code] += 1


@atexit.register
def tell():
    with open(os.environ["TERTULIA_STATUSES"], "w") as file:
        json.dump(statuses, file)


@schemathesis.check
def what_fits_the_schema_has_the_right_shape(ctx, response, case):
    generation = case.meta.generation if case.meta else None
    if generation is None or generation.mode != GenerationMode.POSITIVE or response.status_code != 422:
        return
    for error in response.json().get("errors", []):
        message = error["message"]
        if SHAPE.search(message) and not BEYOND_SCHEMA.search(message):
            raise AssertionError(f"{error['field']}: {message}: the schema does not say so")


@schemathesis.check
def what_is_refused_is_a_problem(ctx, response, case):
    if response.status_code < 400 or case.path.startswith("/v1/hooks/"):
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"{response.status_code} as {kind}"
    problem = response.json()
    assert problem["status"] == response.status_code and problem["code"] and problem["detail"], problem
