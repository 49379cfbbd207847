package dev.sluice.reconciler;

import dev.sluice.reconciler.CheckedReference.Ends;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The statements that find rows of one side without the row that they refer to.
 *
 * @param key columns of the child on this side that tell its rows apart; if it has none, what they refer to does
 * @param keyTypes of these columns
 */
record OrphanSql(Ends ends, List<String> key, List<String> keyTypes) {
    /** How many texts name a row. */
    int width() {
        return identity().size();
    }

    private List<String> identity() {
        return key.isEmpty() ? ends.columns() : key;
    }

    private List<String> texts() {
        return IntStream.range(0, width())
                .mapToObj(i -> {
                    String column = "c." + TableId.quote(identity().get(i));
                    return key.isEmpty() ? column + "::text" : ComparedSide.keyText(column, keyTypes.get(i));
                })
                .toList();
    }

    /** The texts that name each of them, in the order of these texts as UTF-8 bytes; those of a child without a key once. */
    String orphans(RowCondition condition) {
        List<String> texts = texts();
        return "SELECT " + String.join(", ", texts)
                + "\nFROM " + child(key.isEmpty() ? "" : condition.sql(key, keyTypes))
                + "\nWHERE " + ends.columns().stream()
                        .map(column -> "c." + TableId.quote(column) + " IS NOT NULL")
                        .collect(Collectors.joining(" AND "))
                + "\n  AND NOT EXISTS (SELECT FROM " + ends.parent().quoted() + " AS p WHERE " + join() + ")"
                + (key.isEmpty() ? "\nGROUP BY " + String.join(", ", texts) : "")
                + "\nORDER BY " + texts.stream().map(text -> "convert_to(" + text + ", 'UTF8')").collect(Collectors.joining(", "));
    }

    /**
     * For rows that are named: the texts that name each, and the texts of the key of the row that it refers to. A row that refers to
     * none is absent.
     */
    String parents(List<List<String>> rows, ComparedSide parent) {
        List<String> names = IntStream.range(0, width()).mapToObj(i -> "name" + i).toList();
        String named = IntStream.range(0, width())
                .mapToObj(i -> texts().get(i) + " AS " + names.get(i))
                .collect(Collectors.joining(", "));
        String parents = IntStream.range(0, parent.key().size())
                .mapToObj(i -> ", " + ComparedSide.keyText("p." + TableId.quote(parent.key().get(i)), parent.keyTypes().get(i))
                        + " AS parent" + i)
                .collect(Collectors.joining());
        RowCondition.Keys asked = new RowCondition.Keys(rows, width());
        // without a key rows are asked for by texts: their own types may have no order, and no index
        String condition = key.isEmpty()
                ? asked.sql(names, names.stream().map(name -> "text").toList())
                : "";
        return "SELECT * FROM (\n  SELECT " + named + parents
                + "\n  FROM " + child(key.isEmpty() ? "" : asked.sql(key, keyTypes))
                + "\n  JOIN " + ends.parent().quoted() + " AS p ON " + join() + ") AS found" + condition;
    }

    private String child(String where) {
        String columns = Stream.concat(key.stream(), ends.columns().stream())
                .distinct()
                .map(TableId::quote)
                .collect(Collectors.joining(", "));
        return "(SELECT " + columns + " FROM " + ends.child().quoted() + where + ") AS c";
    }

    private String join() {
        return IntStream.range(0, ends.columns().size())
                .mapToObj(i -> "p." + TableId.quote(ends.key().get(i)) + " = c." + TableId.quote(ends.columns().get(i)))
                .collect(Collectors.joining(" AND "));
    }

    /** For people, with the names of the columns. */
    String text(List<String> name) {
        return IntStream.range(0, name.size())
                .mapToObj(i -> identity().get(i) + "=" + name.get(i))
                .collect(Collectors.joining(", "));
    }
}
