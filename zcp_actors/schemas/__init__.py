"""
Types, schemas and values: JSON Schema from Python types, validators, structuring, forms, URI templates.

Owns everything an author's type hints promise. Refuses to know the protocol:
it imports `errors` and nothing else of the project.
"""

from __future__ import annotations

from zcp_actors.schemas.derive import schema_of as schema_of
from zcp_actors.schemas.field import Field as Field
from zcp_actors.schemas.form import Form as Form
from zcp_actors.schemas.form import apply_defaults as apply_defaults
from zcp_actors.schemas.form import check_form as check_form
from zcp_actors.schemas.form import form_of as form_of
from zcp_actors.schemas.mismatch import Mismatch as Mismatch
from zcp_actors.schemas.output import output_schema as output_schema
from zcp_actors.schemas.plain import unstructure as unstructure
from zcp_actors.schemas.signature import ObjectSchema as ObjectSchema
from zcp_actors.schemas.signature import return_hint as return_hint
from zcp_actors.schemas.signature import signature_schema as signature_schema
from zcp_actors.schemas.structure import structurer as structurer
from zcp_actors.schemas.structure import structurer_of_signature as structurer_of_signature
from zcp_actors.schemas.uri_template import Template as Template
from zcp_actors.schemas.validator import Validator as Validator
from zcp_actors.schemas.validator import compile as compile  # noqa: A004  # see there
