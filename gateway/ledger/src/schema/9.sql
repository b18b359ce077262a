-- Format 7. An order may be about several assets: each has one open order of a fault, whichever way.

CREATE TABLE order_asset (
    work_order INTEGER NOT NULL,
    asset      TEXT NOT NULL,
    fault      TEXT NOT NULL,
    open       INTEGER NOT NULL,
    PRIMARY KEY (work_order, asset)
) WITHOUT ROWID;
INSERT INTO order_asset SELECT id, asset, fault, open FROM work_order;
CREATE UNIQUE INDEX order_asset_one_open ON order_asset (asset, fault) WHERE open;
CREATE INDEX order_asset_by_asset ON order_asset (asset, work_order);
