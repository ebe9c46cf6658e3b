//! Every bound on what a client, a schema author or a peer can make large: one table, each row
//! with its reason. Tests run each at the limit and one past it.

/// One row of [`LIMITS`].
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// The largest value that is accepted; the unit is part of the name.
    pub value: usize,
    /// Why there is a limit, and why this one.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($name:ident = $value:expr, $reason:literal;)*) => {
        $(#[doc = $reason] pub const $name: usize = $value;)*
        /// The whole table, for documentation and tests.
        pub const LIMITS: &[Limit] = &[$(Limit { name: stringify!($name), value: $value, reason: $reason }),*];
    };
}

limits! {
    URL_BYTES = 16_384, "Longest request target: twice the 8 kB that grids' filters need (PTH-6).";
    BODY_BYTES = 4_194_304, "Longest request body of one entity.";
    BATCH_PASSWORDS = 100, "Most passwords in one change set: each costs 20 ms of a processor before anything else is looked at.";
    DYNAMIC_PROPERTIES = 500, "Most properties of one entity that its open type does not declare.";
    MEDIA_BYTES = 2_147_483_648, "Longest media resource or named stream; it is written and read in parts.";
    MEDIA_PART_BYTES = 262_144, "Bytes of a media resource in one row, and so in memory for each one being read or written.";
    MEDIA_PAUSE_SECONDS = 60, "Longest pause of a client in the middle of an upload.";
    MEDIA_UPLOAD_HOURS = 24, "Uploads that broke off are deleted when the server starts, after this time.";
    BATCH_BYTES = 16_777_216, "Longest `$batch` body: all its parts are read before the first is carried out.";
    BATCH_PARTS = 2_000, "Most parts of a batch, and most requests in it, those of change sets counted too (BCH-21).";
    BATCH_HEADERS = 64, "Most headers of a part of a batch, and most of the request in it.";
    BATCH_LINE_BYTES = 65_536, "Longest request line or header in a batch: URLs too long for HTTP are sent there (PTH-6).";
    BATCH_BOUNDARY_BYTES = 70, "Longest boundary, as RFC 2046 has it.";
    BATCH_ANSWER_BYTES = 67_108_864, "Longest answer to a batch: it is in memory whole. A part past it is answered by an error, a change set not carried out.";
    BODY_SECONDS = 120, "Longest time that a request body may take to arrive; past it the answer is 408. Its head has five seconds.";
    BODY_DEPTH = 32, "Deepest nesting of objects and arrays in a request body.";
    XML_NODES = 100_000, "Most elements and attributes in an XML body: each takes some thirty times the memory of its text (ATM-44).";
    XML_ATTRIBUTES = 64, "Most attributes of an element in an XML body, declarations of namespaces among them: names are compared with all of them.";
    PREFIX_BYTES = 1_024, "Longest prefix of URLs that a proxy may name: it stands in every link of an answer.";
    GEOMETRY_DEPTH = 8, "Deepest nesting of a geometry collection: everything about one recurses over it.";
    COORDINATE_EXPONENT = 100, "Coordinates reach to ten to this power, and nearer to zero than its inverse they are zero: PostgreSQL refuses products that leave the range of a Double.";
    BODY_ENTITIES = 1_000, "Most entities that one body makes and links: each takes statements of its own inside one write (WR-17).";
    BODY_PASSWORDS = 10, "Most different passwords in one body: each costs a hash.";
    CSV_COLUMNS = 1_000, "Most columns of a CSV body: their names are looked up one by one.";
    PATH_SEGMENTS = 100, "Longest path; a navigation costs a read for each segment (PTH-6).";
    CALLBACK_BYTES = 128, "Longest `$callback`: the libraries' names have twenty.";
    EXPRESSION_DEPTH = 100, "Deepest nesting in `$filter` and `$orderby`; everything after the parser recurses over it (FLT-75).";
    EXPRESSION_NODES = 500, "Largest expression: a flat chain of `and` is a deep tree for the database (FLT-75).";
    PATTERN_BYTES = 512, "Longest regular expression in a filter.";
    PATTERN_DEPTH = 50, "Deepest nesting of a regular expression in a filter.";
    PATTERN_REPEATS = 255, "Most repetitions that a regular expression may count: PostgreSQL's.";
    PATTERN_SIZE = 5_000, "Largest regular expression, repetitions written out: memory and time to compile it grow with that. The letters of Unicode are 770 ranges.";
    PATTERNS_KEPT = 16, "Compiled regular expressions that each thread keeps.";
    TEXT_GROWTH = 10_000, "How many times longer than its parts a text may become by `replace` within `replace`.";
    REPLACED_BYTES = 16_777_216, "Most bytes that `replace` puts into one value on SQLite; past it the value is null.";
    ORDER_ITEMS = 16, "Most `$orderby` items: the paging predicate grows with their square.";
    JOINS = 32, "Most navigation steps in the expressions of one query; SQLite joins at most 64 tables.";
    EXPAND_DEPTH = 8, "Most levels of `$expand`.";
    EXPAND_ITEMS = 64, "Most navigations in one `$expand`.";
    EXPAND_ROWS = 50_000, "Most entities that `$expand` may bring into one answer.";
    INVOKED_ROWS = 1_000, "Most entities that one invocation of a declared operation may change or pick out.";
    CASCADE_ROWS = 1_000, "Most entities that a delete may take along: each is looked at before.";
    NAMESAKES = 3, "Most users of one name, in as many tenants, whose passwords are tested at a sign-in that names no tenant: each costs a hash. The oldest ones count.";
    TENANT_DEPTH = 100, "Most tenants above another that its relations are looked for in.";
    SELECT_ITEMS = 1_000, "Most items of `$select`.";
    SKIP_ROWS = 1_000_000, "Largest `$skip`: the database walks over what it skips. Next links do not use it.";
    PAGE_SIZE = 45, "Entities on a page when neither the server nor the set says otherwise.";
    PAGE_SIZE_MAX = 10_000, "Largest page size that a setting or schema file may name.";
    NAME_BYTES = 480, "Longest name of a set, type or property (MET-33).";
    SCHEMA_BYTES = 67_108_864, "Longest CSDL document that is read: seventy times SharePoint's.";
    SCHEMA_DEPTH = 32, "Deepest nesting of elements in a CSDL document; CSDL itself needs ten.";
    CREDENTIAL_BYTES = 65_536, "Longest `Authorization` header; Kerberos tickets are that large.";
    TOKEN_SECRET_BYTES = 32, "Shortest key that tokens are signed with, and the bytes of the random ones.";
    CLOCKS_APART_SECONDS = 30, "How far the clocks of two instances may differ before one refuses the other's new tokens.";
    SESSIONS_PER_USER = 100, "Most sessions of one user: who signs in once more ends the one that ends first.";
    API_TOKENS_PER_USER = 100, "Most tokens for programs that one user has.";
    API_TOKEN_DAYS = 1_096, "Longest life of a token for a program.";
    API_TOKEN_SCOPE = 100, "Most permissions in the scope of a token.";
    IMPERSONATION_MINUTES = 60, "How long a token in another user's name is good.";
    EXPIRED_AT_ONCE = 100, "Most expired sessions that one sign-in clears away.";
    LOGIN_BYTES = 65_536, "Longest body of a log-in: a name, a password or a token.";
    NEXT_BYTES = 2_048, "Longest path that a browser is sent to after signing in; it stands in the URL of the log-in page.";
    CLIENT_BYTES = 200, "Most of what a client calls itself that a session keeps.";
    PASSWORD_BYTES = 1_024, "Longest password: hashing time must not follow the input.";
    SESSION_DAYS = 30, "Longest session, however often its token is renewed.";
    PERMISSION_BYTES = 512, "Longest name of a permission: names are held against every set and operation.";
    ROLES_HELD = 500, "Most roles that one caller holds, those within others counted too: all are read when somebody signs in.";
    ROLES_OF_USER = 100, "Most roles of one tenant that a user is put into; those of the root tenant are counted apart. With the roles included in others that is less than ROLES_HELD.";
    ROLES_INCLUDED = 149, "Most roles of one tenant that others include, for the same reason: whoever pairs roles cannot lock others out.";
    PERMISSIONS_MADE = 4_000, "Most permissions that a tenant makes beside those of the root tenant: together they are less than PERMISSIONS_HELD.";
    PERMISSIONS_HELD = 10_000, "Most permissions of one caller, for the same reason.";
    ACLS = 1_000, "Most access control lists of a tenant: all are read when somebody signs in, and statements name the nodes that have them.";
    ACES = 10_000, "Most entries of the access control lists of a tenant, for the same reason.";
    NODE_DEPTH = 100, "Most levels of a tree of nodes: all nodes above one that has an access control list are read when somebody signs in.";
    NODES_ABOVE = 101_100, "Most nodes above those that have access control lists: no tenant has more lists than ACLS, nor deeper trees than NODE_DEPTH.";
    CREDENTIAL_CACHE = 4_096, "Most verified credentials remembered at once.";
    CREDENTIAL_CACHE_SECONDS = 60, "How long a verified password is remembered, so that Basic does not cost a hash on every request.";
    TOKEN_BYTES = 16_384, "Longest bearer token: those that list two hundred groups have half of it.";
    CLAIM_BYTES = 1_024, "Longest name, number or address of a person in a token.";
    ISSUER_ANSWER_BYTES = 1_048_576, "Longest answer of an issuer of tokens.";
    ISSUER_SECONDS = 5, "Longest time that an issuer may take to answer everything that one request needs of it; three of them to be reached.";
    ISSUER_PAUSE_SECONDS = 5, "How long an issuer that did not answer is not asked again.";
    ISSUER_KEYS = 64, "Most keys of one issuer: a token that does not name its key is tried with each.";
    ISSUER_KEYS_SECONDS = 60, "How often tokens with an unknown key may have an issuer asked for its keys: once in this time.";
    ISSUER_KEYS_HOURS = 24, "How long the keys of an issuer count that cannot be reached any more.";
    INTROSPECTIONS_AT_ONCE = 4, "Most questions to one issuer about tokens at the same time.";
    INTROSPECTION_SECONDS = 60, "How long an issuer's word on a token counts.";
    INTROSPECTION_CACHE = 4_096, "Most tokens that one issuer's word is remembered of, good ones and bad ones each.";
    ISSUER_PEOPLE = 4_096, "Most people of one issuer whose newest token is remembered, so that an older one does not decide about roles.";
    HASHES_AT_ONCE = 2, "Password hashes computed at the same time; each takes 19 MiB.";
    DIRECTORY_NAME_BYTES = 256, "Longest name that a directory is asked for.";
    DIRECTORY_GROUPS = 1_000, "Most groups of one person in a directory; more are an error of the filter for them.";
    DIRECTORY_QUESTIONS = 16, "Most people whom a directory is asked about at the same time: each takes a connection of its own there.";
    MAIL_ADDRESS_BYTES = 254, "Longest mail address: RFC 5321's longest path without its brackets.";
    MAIL_ATTEMPTS = 12, "How often a mail is tried before it is given up: for about fourteen hours.";
    MAILS_AT_ONCE = 20, "Most mails that a sender claims at once.";
    ACCOUNT_WORK = 64, "Most sign-ups and requests for mails that wait for the database after they were answered; past it the answer is 503.";
    ACCOUNTS_OF_ADDRESS = 10, "Most accounts of one address that get a mail for one request.";
    INVITATION_ROLES = 50, "Most roles in an invitation: each is looked up.";
    GUARD_CELLS = 65_536, "Cells in which attempts by one address or under one name are counted: a fixed number, so that nothing has to be forgotten for somebody new.";
    AUDIT_KEYS = 128, "Most kinds of sign-in (who, from where, with what success) that are written down one by one in a minute; what is beyond becomes one row.";
    AUDIT_SWEEP_ROWS = 500, "Audit trails deleted in one transaction when their time has come.";
    JOB_ARGUMENT_BYTES = 262_144, "Longest arguments of a job, and its longest result; what is longer is a stream.";
    JOB_MESSAGE_BYTES = 4_096, "Longest message about the progress of a job; an error is cut to it.";
    JOB_TAGS = 20, "Most tags of a job or a runner: the claim looks for each.";
    JOB_CHAIN = 100, "Most steps of a chain of jobs.";
    JOB_DEPENDENCIES = 1_000, "Most jobs that are looked at when one of them ends because others depend on it.";
    JOB_ANCESTORS = 1_000, "Most jobs above one that is put below another one: they are read one after the other.";
    JOB_KEPT_DAYS = 36_525, "Longest time that JobKinds may say that ended jobs are kept: a hundred years.";
    JOB_ATTEMPTS = 100, "Most attempts of a job.";
    JOB_LOSSES = 3, "How often a job whose worker falls silent is given to another one, if it has no more attempts than that.";
    JOB_SECONDS = 31_622_400, "Longest time in the settings of a job: a year.";
    JOB_KINDS = 100, "Most kinds of one worker.";
    WAIT_SECONDS = 60, "Longest time that a request waits for a job, or for the end of one: proxies give up after as much.";
    WAITS_AT_ONCE = 10_000, "Most requests that wait at the same time, each with its connection; past it the answer is 503.";
    JOB_LOG_LINES = 100_000, "Most lines in the log of a job.";
    JOB_LOG_CALL_LINES = 1_000, "Most lines in one call.";
    JOB_LOG_LINE_BYTES = 8_192, "Longest line of a log; the rest of it is cut off.";
    JOB_RETENTION_DAYS = 90, "How long an ended job is kept where JobKinds does not say.";
    QUEUE_HISTORY_DAYS = 30, "How long the counts of jobs are kept: a row for each second in which one changed.";
    QUEUE_HISTORY_ROWS = 10_000, "Most buckets in one answer of JobHistory; most rows of that age deleted in one transaction.";
    JOBS_SWEPT = 100, "Jobs that one transaction moves because their time has come.";
    CONDITION_BYTES = 4_096, "Longest condition of a task: it is parsed, shown and explained again and again.";
    CONDITION_DEPTH = 32, "Deepest nesting of a condition; everything after the parser recurses over it.";
    CONDITION_PARTS = 64, "Most parts of a condition, tasks that one part names counted one by one: each is looked at whenever a task may start.";
    CONDITION_WORK = 20_000, "Most parts of a condition that are looked at to find its next change or the next starts: past it the answer is what is known by then.";
    INTERVAL_DAYS = 36_525, "Longest interval in a condition: a hundred years.";
    NEXT_RUNS = 100, "Most starts of a task that are told in advance.";
    TASK_RECORDS = 1_000, "Most records of a task, the newest, that a condition sees; what happened last it sees however long ago.";
    MACHINE_TRANSITIONS = 1_000, "Most transitions of a state machine.";
    QUERY_WORDS = 100, "Most query words of a request to the scheduler's own routes: each is a part of an expression.";
    TASKS = 100_000, "Most tasks of a tenant: the scheduler has all of them in memory.";
    TASK_RUNS = 100, "Most runs of a task at the same time.";
    TASK_CATCH_UP = 100, "Most missed starts of a task that are made up for.";
    TASK_LOG_DAYS = 36_525, "Longest time that runs are kept.";
    TASK_PARAMETERS = 1_000, "Most parameters of tasks at one place: a start reads them.";
    TASK_STARTS = 50, "Tasks that start in one transaction.";
    TASK_SWEEP_ROWS = 500, "Runs and lines of the log deleted in one transaction when their time has come.";
    TASK_JITTER_SECONDS = 86_400, "Longest delay of a start by chance: a day.";
    GROUP_COMMIT_WRITES = 256, "Most writes in one SQLite commit.";
    WRITE_QUEUE = 10_000, "Most writes waiting for the writer; past it the answer is 503.";
    LOAD_ROWS = 1_000, "Rows in one transaction of `odonata load`.";
    STATEMENT_SHAPES = 256, "Most client-shaped statements kept prepared on a connection's cache.";
    DATABASE_WAIT_SECONDS = 10, "Longest wait for a connection or a lock before 503.";
    STATEMENT_SECONDS = 30, "Longest run of one statement on PostgreSQL: a client's filter is a client's query plan.";
    RUNNER_SLOTS = 256, "Most jobs that one runner does at once: all of them are looked at when it claims another one.";
    RUNNER_DAYS = 7, "Longest time limit of a command that a runner starts.";
    RUNNER_OUTPUT_MB = 2_048, "Largest output limit of a command: the server takes no longer stream.";
    RUNNER_LINES = 10_000, "Most lines of one attempt that a runner logs; it counts the others.";
    RUNNER_LINE_BYTES = 4_096, "Longest line that a runner logs; what follows in it is left out.";
    RUNNER_BATCH_LINES = 200, "Most lines in one request of a runner: escaped, they stay below the longest body.";
    RUNNER_ANSWER_BYTES = 16_777_216, "Longest answer that a runner reads, inputs of jobs apart.";
    RUNNER_ERROR_BYTES = 4_000, "Most of a command's last lines in the error of its job.";
    SHUTDOWN_SECONDS = 10, "Longest wait for running requests when the server stops.";
}
