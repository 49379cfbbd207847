package dev.sluice.sandbox;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** Text of {@code docs/types.md}: what {@link TypesIT} has tried. */
final class TypesPage {
    private static final Set<String> NUMBERS = Set.of("int2", "int4", "int8", "oid");

    private static final String BY_NAME = "by name: the object must exist in the target, or the row is refused";

    /** What a reader of the table has to know of a type. */
    private static final Map<String, String> NOTES = Map.of(
            "xml", "an XML declaration's encoding is not sent (the server prints none); `check` warns",
            "aclitem", "by name: the roles must exist in the target",
            "oid", "the number only: what it means in the target is the application's matter",
            "json", "white space, order and doubled keys are kept",
            "char(10)", "blanks at the end are kept as the server pads them",
            "money", "printed under `lc_monetary=C` on both sides",
            "mood", "an enum, labels added meanwhile included; an enum without labels too",
            "span", "a range over `float8`",
            "words", "a range over `text`",
            "words_multirange", "a multirange over `text`");

    private TypesPage() {}

    static String text(List<TriedType> types, Set<String> keys, Set<String> noContrib) {
        StringBuilder page = new StringBuilder(
                """
                # Types

                Made by `TypesIT` from what it tries on PostgreSQL 18; not to be edited. A value arrives if `column::text` is the same
                on both sides, and for types with a send function its bytes too. Of each type these are tried: the type itself, an
                array of it (one and two dimensions, NULLs, lower bounds, empty), a domain over it, an array of the domain, a composite
                of all these, an array of the composite. Each is inserted, updated, left untouched out of line (TOAST) while another
                column changes, moved to another key, and deleted; as key it is inserted, rewritten, changed, deleted. Both
                databases have hostile settings meanwhile (`DateStyle`, `IntervalStyle`, `extra_float_digits`, `search_path` and others).

                "Record" is what stands in the change record on Kafka; text is what the server prints. "Key": a primary key of the
                type is tried; `-` where PostgreSQL has no order for it.

                | type | record | values tried | key | remark |
                |---|---|---|---|---|
                """);
        for (TriedType type : types) {
            page.append("| `%s` | %s | %d | %s | %s |%n".formatted(
                    type.name(), record(type.name()), type.values().size(), keys.contains(type.name()) ? "yes" : "-", note(type.name())));
        }
        page.append("\nAs keys also: ")
                .append(String.join(", ", keys.stream().filter(key -> types.stream().noneMatch(type -> type.name().equals(key))).toList()))
                .append(".\n");
        page.append("\n## Left out\n\n| type | reason |\n|---|---|\n");
        TypeValues.LEFT_OUT.forEach((type, reason) -> page.append("| `%s` | %s |%n".formatted(type, reason)));
        page.append("| row types of tables, the catalog's included | composites like those above |\n");
        page.append("| pseudo-types | no column can be of one |\n");
        noContrib.forEach(type -> page.append("| `%s` | its extension is not installed where the tests run |%n".formatted(type)));
        page.append(
                """

                ## Limits

                A change record may have `kafka.maxRecordBytes`, at most 400 MB; a larger one stops capture with the table, the key and the
                sizes of its columns, before it is read into memory. A `bytea` takes two characters for each byte there. PostgreSQL itself
                sends no value and no row of more than 1 GB as text, which a `bytea` is from 512 MB on: capture stops there with code 10
                and says so.
                """);
        return page.toString();
    }

    private static String record(String type) {
        return NUMBERS.contains(type) ? "number" : type.equals("bool") ? "boolean" : "text";
    }

    private static String note(String type) {
        return type.startsWith("reg") ? BY_NAME : NOTES.getOrDefault(type, "");
    }
}
