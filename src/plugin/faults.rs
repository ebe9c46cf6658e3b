//! Faulty schema files, for the tests.

/// The texts of `1.toml`, `2.toml`, …
type Files = &'static [&'static str];
/// Place and part of the message of every fault.
type Faults = &'static [(&'static str, &'static str)];

const GOOD: &str = "entity = \"G\"\nset = \"Gs\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }";

/// Files of an endpoint `T` in the namespace `N`, which has the containers `Default.T` and `N.Other`.
#[rustfmt::skip]
pub(super) const TABLE: &[(Files, Faults)] = &[
    // TOML and keys
    (&["entity = \"A\"\nkey = [\"Id\"\n[properties]\nId = { type = \"Int32\" }", GOOD], &[("1.toml:3", "is not TOML"), ("1.toml:4", "is not TOML")]),
    (&["entity = \"A\"\nentity = \"B\""], &[("1.toml:2", "duplicate key")]),
    (&["entity = \"A\"\nkye = [\"Id\"]\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\", nulable = true }"],
     &[("1.toml:2", "`kye` is not a key of an entity type. Did you mean `key`?"), ("1.toml:5", "`nulable` is not a key of a property. Did you mean `nullable`?")]),
    (&["entity = 1\n"], &[("1.toml:1", "`entity` must be a string, not a number")]),
    (&["entity = \"A\"\nkey = \"Id\"\nabstract = \"yes\"\nset = [\"X\"]\npage_size = \"9\"\n[properties]\nId = 5"],
     &[("1.toml:2", "`key` must be an array of strings, not a string"), ("1.toml:3", "`abstract` must be true or false, not a string"),
       ("1.toml:4", "`set` must be a string, not an array"), ("1.toml:5", "`page_size` must be a number"), ("1.toml:7", "`Id` must be a table, not a number"),
       ("1.toml:1", "needs a `key`")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\npage_size = 0\n[properties]\nId = { type = \"Int32\" }\n", "entity = \"B\"\nbase = \"A\"\npage_size = 10001"],
     &[("1.toml:3", "`page_size` must be between 1 and 10000"), ("2.toml:3", "`page_size` must be between 1 and 10000")]),
    (&["[[operation]]\nreturns = \"Int32\"\n[[association_set]]\nname = \"x\"\nrelationship = \"y\"\nsets = [\"z\"]"],
     &[("1.toml:1", "`name` is missing: an operation needs it"), ("1.toml:3", "`sets` must name two sets")]),
    // names
    (&["entity = \"1A\"\nset = \"a b\"\nkey = [\"I-d\"]\n[properties]\n\"I-d\" = { type = \"Int32\" }"],
     &[("1.toml:1", "`1A` cannot be the name of the entity type"), ("1.toml:2", "`a b` cannot be the name of the entity set"),
       ("1.toml:5", "`I-d` cannot be the name of the property")]),
    (&[GOOD, GOOD], &[("2.toml:1", "The entity type `N.G` is declared twice; the other place is 1.toml:1")]),
    (&[GOOD, "[complex.V]\nproperties.A = { type = \"Int32\" }\n", "[complex.V]\n"], &[("3.toml:1", "The complex type `N.V` is declared twice; the other place is 2.toml:1")]),
    (&[GOOD, "[complex.G]\n"], &[("1.toml:1", "There is a complex type `N.G` already")]),
    (&[GOOD, "entity = \"H\"\nset = \"Gs\"\nbase = \"G\""], &[("2.toml:2", "The endpoint `T` has a set `Gs` already")]),
    (&[GOOD, "entity = \"H\"\nset = \"Nowhere.Hs\"\nbase = \"G\""], &[("2.toml:2", "no container `Nowhere`")]),
    // types and properties
    (&["entity = \"A\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int33\" }\nX = { nullable = true }\nY = { type = \"A\" }\nZ = { type = \"Collection(Foo)\" }"],
     &[("1.toml:4", "There is no type `Int33`"), ("1.toml:5", "`type` is missing: a property needs it"), ("1.toml:6", "`A` is an entity type"),
       ("1.toml:7", "There is no type `Foo`")]),
    (&["entity = \"A\"\nkey = [\"Id\", \"Nope\", \"N\"]\n[properties]\nId = { type = \"Stream\" }\nN = { type = \"Int32\", nullable = true }"],
     &[("1.toml:2", "`Nope`, which is not a property"), ("1.toml:2", "`Id` is in the key, but only primitive values"), ("1.toml:2", "`N` is in the key and must not be nullable")]),
    (&["entity = \"A\"\n[properties]\nId = { type = \"Int32\" }"], &[("1.toml:1", "`A` needs a `key`, a `base` or `frame = true`")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\ntenant = true\n[properties]\nId = { type = \"String\", generated = true }\n",
       "entity = \"B\"\nkey = [\"Id\"]\ntenant = \"Id\"\n[properties]\nId = { type = \"Int32\" }"],
     &[("1.toml:3", "`tenant` must name the Guid property"), ("1.toml:5", "cannot be `generated`"), ("2.toml:3", "`tenant` names `Id`")]),
    (&["entity = \"A\"\nbase = \"B\"", "entity = \"B\"\nbase = \"A\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }", "entity = \"C\"\nbase = \"D\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }"],
     &[("1.toml:2", "`A` derives from itself"), ("1.toml:1", "needs a `key`"), ("2.toml:1", "cannot say its own"), ("3.toml:2", "The base type `D` of `C` is not declared")]),
    (&[GOOD, "entity = \"H\"\nbase = \"G\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }"],
     &[("2.toml:5", "`H` has a property `Id` already"), ("2.toml:1", "it cannot say its own")]),
    (&["[complex.V]\nbase = \"W\"\n[complex.W]\nbase = \"V\"\nproperties.A = { type = \"Int32\", index = true }"], &[("1.toml:2", "`V` derives from itself"), ("1.toml:5", "stands in a complex type")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\", default = \"one\" }\nS = { type = \"String\", max = 2, default = \"abc\" }\nB = { type = \"Byte\", default = 256 }\nC = { type = \"Collection(Int32)\", nullable = true, default = 1 }\nM = { type = \"Int32\", max = \"Min\" }\nP = { type = \"Decimal\", precision = 2, scale = 3 }\nH = { type = \"Int32\", hashed = true, max = 3, unique = \"all\" }"],
     &[("1.toml:4", "The default `one` of `Id` is not a value of Edm.Int32"), ("1.toml:5", "longer than 2 characters"), ("1.toml:6", "not a value of Edm.Byte"),
       ("1.toml:7", "has a default, which only primitive values can have"), ("1.toml:8", "`max` must be a number or \"Max\""),
       ("1.toml:9", "scale of 3"), ("1.toml:10", "is hashed and must be a String"), ("1.toml:10", "which only String and Binary take"), ("1.toml:10", "`unique` must be true, false or \"global\"")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\nindexes = [[\"Id\", \"No\"], [\"V\"]]\n[properties]\nId = { type = \"Int32\" }\nV = { type = \"GeographyPoint\" }"],
     &[("1.toml:3", "The index names `No`"), ("1.toml:3", "`V` cannot have an index")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"GeometryPoint\", srid = \"here\" }"],
     &[("1.toml:2", "is in the key, but only primitive values that can be compared can be (MET-20)"), ("1.toml:4", "a `srid` that is neither a number nor \"Variable\"")]),
    // jobs
    (&["entity = \"A\"\nkey = [\"Id\"]\nhas_stream = true\n[properties]\nId = { type = \"Int32\" }\n[jobs]\ncreate = \"A.Make\"\nremove = \"x\"\ndelete = \"external\""],
     &[("1.toml:7", "has no `create` job"), ("1.toml:8", "`remove` is not a key of the jobs of an entity type"), ("1.toml:9", "and not `external`")]),
    (&[GOOD, "jobs = 1\n[[operation]]\nname = \"f\"\njob = \"\"", "[[operation]]\nname = \"f\"\nside_effecting = false\njob = \"a\"",
       "[[operation]]\nname = \"g\"\nreturns = \"Int32\"\njob = \"a*\"", "[[operation]]\nname = \"h\"\njob = \"a\"\nparameters = [{ name = \"g\", type = \"Collection(G)\" }]",
       "[[operation]]\nname = \"i\"\njob = \"a\"\nhandler = \"ChangePassword\"\nparameters = [{ name = \"a\", type = \"String\" }, { name = \"b\", type = \"String\" }]"],
     &[("2.toml:1", "`jobs` is not a key of"), ("2.toml:4", "A kind of job is a text"), ("3.toml:4", "only an action"), ("4.toml:4", "A kind of job is a text"),
       ("4.toml:4", "answers the job's JobResponse"), ("5.toml:3", "entities cannot be"), ("6.toml:3", "is not written down")]),
    (&["entity = \"A\"\nframe = true"], &[("1.toml:1", "The frame's navigation `Tenant` leads to `Core/Tenants`"), ("1.toml:1", "`CreatedBy`"), ("1.toml:1", "`ModifiedBy`")]),
    (&["entity = \"A\"\nkey = [\"Id\"]\nattributes = { FC_TargetPath = \"x\" }\n[properties]\nId = { type = \"Int32\" }"], &[("1.toml:3", "needs a prefix")]),
    // navigations
    (&[GOOD, "entity = \"H\"\nbase = \"G\"\n[navigation.A]\n[navigation.B]\nto = \"Nope\"\n[navigation.C]\nto = \"G\"\nmultiplicity = \"2\"\n[navigation.Id]\nto = \"G\""],
     &[("2.toml:3", "`to` is missing: a navigation needs it"), ("2.toml:5", "`B` leads to `Nope`, which is not declared"), ("2.toml:8", "`multiplicity` must be"),
       ("2.toml:9", "`H` has a property or navigation `Id` already")]),
    (&[GOOD, "entity = \"H\"\nbase = \"G\"\n[navigation.A]\nto = \"G\"\npartner = \"Nope\"\n[navigation.B]\nto = \"H\"\npartner = \"C\"\n[navigation.C]\nto = \"H\"\n[navigation.D]\nto = \"H\"\npartner = \"D\""],
     &[("2.toml:5", "The partner `Nope` is not a navigation of `G`"), ("2.toml:8", "must say `partner = \"B\"` too"), ("2.toml:13", "cannot be its own partner")]),
    (&[GOOD, "entity = \"H\"\nbase = \"G\"\n[properties]\nS = { type = \"String\" }\n[navigation.A]\nto = \"G\"\nkey = [\"S\"]\n[navigation.B]\nto = \"G\"\nkey = [\"X\"]\n[navigation.C]\nto = \"G\"\nkey = [\"Id\", \"S\"]\n[navigation.D]\nto = \"G\"\nlink = \"L\"\n[navigation.E]\nto = \"G\"\nmultiplicity = \"*\"\nkey = [\"Id\"]"],
     &[("2.toml:7", "`S` has not the type of `Id`"), ("2.toml:10", "The key names `X`"), ("2.toml:13", "The key of `G` has 1 properties, but 2 are named"),
       ("2.toml:14", "A `link` is for navigations that lead to \"*\""), ("2.toml:17", "the multiplicity there is \"*\"")]),
    (&[GOOD, "entity = \"H\"\nbase = \"G\"\n[navigation.A]\nto = \"H\"\nkey = [\"Id\"]\npartner = \"B\"\n[navigation.B]\nto = \"H\"\nkey = [\"Id\"]\npartner = \"A\"\n[navigation.C]\nto = \"G\"\nrelationship = \"N.R\"\n[navigation.D]\nto = \"G\"\nrelationship = \"N.R\"\nset = \"Hs\"\nrole = \"x\"\ntarget_role = \"x\""],
     &[("2.toml:3", "only one may"), ("2.toml:7", "only one may"), ("2.toml:16", "There is another association or type `N.R`"), ("2.toml:17", "The endpoint has no set `Hs`"), ("2.toml:19", "Both ends have the role `x`")]),
    // keys of tenants
    (&["entity = \"A\"\nset = \"As\"\nkey = [\"Id\"]\ntenant = \"T\"\n[properties]\nId = { type = \"Int32\", generated = \"by default\" }\nT = { type = \"Guid\" }",
       "entity = \"B\"\nset = \"Bs\"\nkey = [\"Id\"]\ntenant = \"T\"\nshared = true\n[properties]\nId = { type = \"String\" }\nT = { type = \"Guid\" }"],
     &[("1.toml:1", "would tell one tenant which numbers others have"), ("2.toml:1", "keys that clients choose would be several rows'")]),
    (&["entity = \"A\"\nset = \"As\"\nkey = [\"Id\"]\ntenant = \"T\"\n[properties]\nId = { type = \"Int32\" }\nT = { type = \"Guid\" }",
       "entity = \"B\"\nset = \"Bs\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n[navigation.A]\nto = \"A\""],
     &[("2.toml:6", "`B` belongs to no tenant, but leads to `A`, of which each tenant has its own")]),
    // operations, association sets, sharing
    (&[GOOD, "[[operation]]\nname = \"A\"\nbindable = true\nhttp_method = \"FETCH\"\nreturns = \"Nope\"\nset = \"Nopes\"\nparameters = [\n{ name = \"x\", type = \"Int32\", mode = \"Up\" },\n{ name = \"x\", type = \"Int32\" },\n{ type = \"Int32\" } ]"],
     &[("2.toml:4", "`http_method` must be one of"), ("2.toml:1", "cannot be `bindable`"), ("2.toml:5", "There is no type `Nope`"), ("2.toml:6", "no set `Nopes`"),
       ("2.toml:8", "`mode` must be one of"), ("2.toml:9", "The parameter `x` is declared twice"), ("2.toml:10", "`name` is missing: a parameter needs it")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nbindable = true\nparameters = [ { name = \"x\", type = \"Int32\" } ]"], &[("2.toml:1", "must be an entity or a collection of entities (MET-42)")]),
    // what operations do
    (&[GOOD, "[[operation]]\nname = \"A\"\nhandler = \"Nope\""], &[("2.toml:3", "there is no handler `Nope`")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhandler = \"Echo\""], &[("2.toml:3", "does not fit")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhandler = \"Ping\"\nquery = \"Gs\""], &[("2.toml:1", "exclude each other")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhttp_method = \"GET\"\nquery = \"Gs\""], &[("2.toml:4", "answers entities")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nreturns = \"G\"\nquery = \"Gs\""], &[("2.toml:4", "an action does not read a `query`")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhttp_method = \"GET\"\nreturns = \"Collection(G)\"\nquery = \"Nopes\""], &[("2.toml:5", "cannot be read")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhttp_method = \"GET\"\nreturns = \"Collection(G)\"\nquery = \"Gs?$filter=Nope eq 1\""], &[("2.toml:5", "Nope")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhttp_method = \"GET\"\nreturns = \"Collection(G)\"\nquery = \"Gs?$filter={x} eq 1\""], &[("2.toml:5", "no plain argument")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nhttp_method = \"GET\"\nreturns = \"Collection(G)\"\nquery = \"Gs?$inlinecount=allpages\""], &[("2.toml:5", "no query option")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nchange = { Id = \"1\" }"], &[("2.toml:3", "bound to entities")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nbindable = true\nchange = { Nope = \"1\" }\nparameters = [ { name = \"x\", type = \"G\" } ]"], &[("2.toml:4", "no property `Nope`")]),
    (&[GOOD, "[[operation]]\nname = \"A\"\nbindable = true\nchange = { Id = \"1\" }\nparameters = [ { name = \"x\", type = \"G\" } ]"], &[("2.toml:4", "`Id` cannot be changed")]),
    (&[GOOD, "entity = \"K\"\nset = \"Ks\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n[navigation.G]\nto = \"G\"\nrelationship = \"N.R\"\n[[association_set]]\nname = \"Rs\"\nrelationship = \"N.R\"\nsets = [\"Ks\", \"Ks\"]\n[[association_set]]\nname = \"Xs\"\nrelationship = \"N.X\"\nsets = [\"Ks\", \"No\"]"],
     &[("2.toml:9", "The set `Ks` does not hold entities of `G`"), ("2.toml:15", "There is no association `N.X`"), ("2.toml:16", "The endpoint has no set `No`")]),
];
