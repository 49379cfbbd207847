package dev.sluice.catalog;

/**
 * One column of a table as the catalog has it.
 *
 * @param type as {@code format_type} prints it, with schema unless it is {@code pg_catalog}: {@code numeric(12,2)},
 *     {@code shop.status[]}
 * @param notNull of the column or of its domain
 * @param hasDefault the server fills the column if it is left out: default, identity, generated, or its domain's default
 * @param generated a generated column, stored or virtual: it is never written
 * @param identityAlways {@code GENERATED ALWAYS AS IDENTITY}: written only with OVERRIDING SYSTEM VALUE
 */
public record Column(
        String name,
        String type,
        int typeOid,
        boolean notNull,
        boolean hasDefault,
        boolean generated,
        boolean identityAlways) {}
