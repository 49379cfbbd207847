package dev.sluice.config;

/** @param evidence what is stored of the values of rows that differ */
public record VerifyConfig(Evidence evidence) {
    static final VerifyConfig DEFAULT = new VerifyConfig(Evidence.HASHES);

    public enum Evidence {
        /** A hash of each, which tells whether two are the same and no more. */
        HASHES,
        /** The values as they are. */
        VALUES
    }
}
