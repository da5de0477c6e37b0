"""The operator's settings, from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """`APOMIXIS_OPERATOR_…`, as the chart sets them."""

    model_config = SettingsConfigDict(env_prefix="APOMIXIS_OPERATOR_", frozen=True)

    namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Namespaces that are watched; none: all of them."
    )
    node_image: str = Field("", description="Image of clusters that name none.")
    namespace: str = Field("default", description="Where the operator itself runs.")
    name: str = Field("apomixis-operator", description="What it is called in Events.")
    read_nodes: bool = Field(False, description="Whether it may read Nodes, for zones.")
    nginx: bool = Field(True, description="Whether nginx runs in front of every node.")
    port: int = Field(8080, description="Port of /healthz and /metrics.")
    log_level: str = Field("info", description="Least level logged.")
    idle_s: float = Field(60.0, gt=0, description="Seconds between two looks at rest.")
    busy_s: float = Field(2.0, gt=0, description="Seconds between two looks in a transition.")

    @field_validator("namespaces", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value
