"""The settings of a prober, each TIDEMILL_<NAME>; what it shares with a worker is in
`streams.settings`.
"""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProbingSettings(BaseSettings):
    """Read from the environment once, when a prober starts."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    lost_after_s: float = Field(
        default=30.0,
        gt=0,
        description="a region that was not heard for so long is lost; longer than a broker takes to"
        " start again (10 s) and than a killed MirrorMaker is silent (25 s), for each promotion"
        " costs a failback",
    )
    prober_host: str = Field(
        default="127.0.0.1",
        pattern=r"^(127\.0\.0\.1|0\.0\.0\.0)$",
        description="where a prober is asked for its metrics and what it sees: from here alone, or"
        " at every address of its machine (0.0.0.0), where the one outside runs on another",
    )
