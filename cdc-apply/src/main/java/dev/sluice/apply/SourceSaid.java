package dev.sluice.apply;

import java.sql.SQLException;

/** What the source's server or the way to it has refused, told from what the target's has. */
final class SourceSaid extends SQLException {
    private static final long serialVersionUID = 1L;

    SourceSaid(SQLException said) {
        super(said.getMessage(), said.getSQLState(), said);
    }
}
