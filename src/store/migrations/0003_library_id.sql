-- Which library this is, so that an index can tell whether it follows this one. One row, made when it is first asked for.
CREATE TABLE library (
    id TEXT PRIMARY KEY
);
