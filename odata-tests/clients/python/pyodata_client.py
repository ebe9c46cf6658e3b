"""SAP's pyodata: verbose JSON of OData v2, `%24` in queries, batches with relative URLs."""

import datetime
import decimal

import pyodata
import pyodata.v2.model
import requests
from pyodata.exceptions import HttpError

from story import PASSWORD, ROOT, USER, equal, failure, step, tell

session = requests.Session()
session.auth = (USER, PASSWORD)
# The library sends no version; without this the server may take it for a client of v3.
session.headers["MaxDataServiceVersion"] = "2.0"

# A null stays a null instead of becoming 0 or an empty text.
client = pyodata.Client(ROOT, session, config=pyodata.v2.model.Config(retain_null=True))
products = client.entity_sets.Products
made = {}


@step("metadata")
def _():
    names = sorted(entity_set.name for entity_set in client.schema.entity_sets)
    equal(names, ["Categories", "Labels", "Memos", "OrderLines", "Orders", "Products", "Readings"])
    product = client.schema.entity_type("Product")
    equal([key.name for key in product.key_proprties], ["Id"])
    equal(sorted(nav.name for nav in product.nav_proprties), ["Category", "Labels", "Lines"])
    equal(product.nav_proprty("Category").to_role.entity_type_name, "Category")
    equal(client.schema.entity_type("Memo").nav_proprty("CreatedBy").to_role.entity_type_name, "User")


@step("read a set")
def _():
    found = client.entity_sets.Categories.get_entities().execute()
    equal([(one.Id, one.Name, one.Note) for one in found], [(1, "Ropes", "hemp and nylon"), (2, "Lamps", None), (3, "Empty shelf", "")])


@step("filter, order, select and count")
def _():
    found = products.get_entities().filter("Price gt 60M and substringof('lamp', Name)").order_by("Price desc").select("Id,Name").execute()
    equal([one.Name for one in found], ["Fog lamp", "Deck lamp", "Engine lamp"])
    found = products.get_entities().filter(Name__contains="O'Neill").execute()
    equal([one.Id for one in found], [8])
    equal(products.get_entities().filter("Stock gt 50").count().execute(), 3)
    found = products.get_entities().order_by("Id").skip(2).top(2).count(inline=True).execute()
    equal(([one.Id for one in found], found.total_count), ([3, 4], 10))


@step("page by next links")
def _():
    found = products.get_entities().execute()
    pages = [[one.Id for one in found]]
    while found.next_url:
        found = products.get_entities().next_url(found.next_url).execute()
        pages.append([one.Id for one in found])
    equal(pages, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]])


@step("one entity")
def _():
    one = products.get_entity(4).execute()
    equal((one.Name, one.Stock, one.Weight, one.Discontinued), ("Deck lamp", 2, 3.0, False))
    equal(decimal.Decimal(one.Price), decimal.Decimal("120.00"))
    equal(one.Released, datetime.datetime(2013, 12, 31, 23, 59, 59, 999000, datetime.timezone.utc))
    key = {"PartitionKey": "south", "RowKey": "001"}
    equal(client.entity_sets.Readings.get_entity(**key).execute().Note, "it's hot")


@step("expand and navigate")
def _():
    one = client.entity_sets.Orders.get_entity(1).expand("Lines,Lines/Product").execute()
    equal([(line.Position, line.Product.Name) for line in one.Lines], [(1, "Anchor rope"), (2, "Deck lamp")])
    equal(products.get_entity(4).nav("Category").execute().Name, "Lamps")
    found = client.entity_sets.Categories.get_entity(2).nav("Products").get_entities().execute()
    equal([each.Name for each in found], ["Deck lamp", "Engine lamp", "Fog lamp"])


@step("create")
def _():
    values = {"Name": "Kite", "Price": "9.90", "Weight": 0.5, "Released": datetime.datetime(2015, 5, 5, tzinfo=datetime.timezone.utc)}
    one = products.create_entity().set(**values).execute()
    made["Id"] = one.Id
    equal((one.Name, one.Stock, one.Released.year), ("Kite", 0, 2015))


@step("update")
def _():
    for method, stock in (("PATCH", 5), ("MERGE", 6)):
        products.update_entity(made["Id"], method=method).set(Stock=stock).execute()
        one = products.get_entity(made["Id"]).execute()
        equal((one.Name, one.Stock), ("Kite", stock))
    products.update_entity(made["Id"], method="PUT").set(Name="Kite 2").execute()
    one = products.get_entity(made["Id"]).execute()
    equal((one.Name, one.Stock, one.Price), ("Kite 2", 0, None))


@step("batch")
def _():
    batch = client.create_batch()
    batch.add_request(client.entity_sets.Categories.get_entities())
    changes = client.create_changeset()
    changes.add_request(client.entity_sets.Labels.create_entity().set(Code="b1", Text="first"))
    changes.add_request(client.entity_sets.Labels.update_entity(Code="new").set(Text="changed"))
    changes.add_request(client.entity_sets.Labels.delete_entity(Code="sale"))
    batch.add_request(changes)
    batch.add_request(client.entity_sets.Labels.get_entities())
    categories, changed, labels = batch.execute()
    equal(len(categories), 3)
    equal(changed[0].Text, "first")
    equal([(one.Code, one.Text) for one in labels], [("b1", "first"), ("new", "changed"), ("wet", "Stands salt water")])


@step("a batch that fails is undone")
def _():
    batch = client.create_batch()
    changes = client.create_changeset()
    changes.add_request(client.entity_sets.Labels.create_entity().set(Code="b2", Text="second"))
    changes.add_request(client.entity_sets.Labels.create_entity().set(Code="wet", Text="again"))
    batch.add_request(changes)
    error = failure(HttpError, batch.execute)
    equal(error.response.status_code, 409)
    labels = client.entity_sets.Labels.get_entities().execute()
    equal([one.Code for one in labels], ["b1", "new", "wet"])


@step("delete")
def _():
    products.delete_entity(made["Id"]).execute()
    error = failure(HttpError, products.get_entity(made["Id"]).execute)
    equal(error.response.status_code, 404)


@step("errors")
def _():
    error = failure(HttpError, products.get_entity(4711).execute)
    equal(error.response.status_code, 404)
    equal(bool(error.response.json()["error"]["message"]["value"]), True)
    error = failure(HttpError, products.get_entities().filter("Nope eq 1").execute)
    equal(error.response.status_code, 400)
    equal("Nope" in error.response.json()["error"]["message"]["value"], True)


tell()
