package dev.sluice.catalog;

import dev.sluice.schemas.TableId;

/** {@code child} refers to {@code parent}. */
public record ForeignKey(String name, TableId child, TableId parent, boolean deferrable) {}
