r"""How bytes arrive: the object store, the deliveries in it, and what puts them there.

>>> from datetime import date
>>> from pathlib import Path
>>> from dataflow_assets.landing import Landing, open_storage
>>> from dataflow_assets.settings import Settings
>>> landing = Landing(open_storage(Settings(DATAFLOW_HOME="platform")))
>>> _ = Path("movies.csv").write_text("title,duration_mins,original_language,size_mb\nRust,90,en,700\n")
>>> delivery = landing.put("movies", date(2021, 12, 5), Path("movies.csv"))
>>> delivery.object, delivery.size
('landing/movies/2021-12-05/movies.csv', 61)
>>> [each.object for each in landing.deliveries("movies", date(2021, 12, 5))]
['landing/movies/2021-12-05/movies.csv']
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand

if TYPE_CHECKING:
    from dataflow_assets.landing.deliveries import Delivery, Landing
    from dataflow_assets.landing.storage import Storage, open_storage

__all__ = ["Delivery", "Landing", "Storage", "open_storage"]

__getattr__ = load_on_demand(
    __name__, {"Delivery": "deliveries", "Landing": "deliveries", "Storage": "storage", "open_storage": "storage"}
)
