package dev.sluice.config;

import java.util.List;

/**
 * One ordered stream of source transactions with one writer.
 *
 * @param slot the replication slot
 * @param publication the publication; made by capture if {@code createPublication} and the role may
 * @param tables in the order of the configuration
 */
public record LaneConfig(
        String name, String slot, String publication, boolean createPublication, List<TableMapping> tables) {}
