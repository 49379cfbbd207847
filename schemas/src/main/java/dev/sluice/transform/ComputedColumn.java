package dev.sluice.transform;

import dev.sluice.schemas.TableId;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * A target column that is computed from a row of the source, as the target's server has understood its expression.
 *
 * @param column of the target
 * @param key of the configuration, for messages
 * @param expression as the server prints it: whatever is not of {@code pg_catalog} stands with its schema, so it means the same
 *     under any search path
 * @param inputs the source columns that it uses, by name
 */
public record ComputedColumn(String column, String key, String expression, Map<String, Input> inputs) {

    /**
     * A source column as the expression takes it.
     *
     * @param type at the source, quoted, without modifier, which the values have met already
     * @param declared the same as it was declared, as {@link dev.sluice.catalog.Column#type} has it
     */
    public record Input(String type, String declared) {}

    /**
     * SQL of the column's value, in parentheses, for a statement without parameters.
     *
     * @param value SQL of a source column's value, of that column's type
     */
    public String sql(UnaryOperator<String> value) {
        return sql(expression, value);
    }

    /** The same for a statement with parameters, where a question mark of an operator is written twice. */
    public String preparedSql(UnaryOperator<String> value) {
        return sql(withoutPlaceholders(expression), value);
    }

    private String sql(String expression, UnaryOperator<String> value) {
        String row = inputs.keySet().stream()
                .map(input -> value.apply(input) + " AS " + TableId.quote(input))
                .collect(Collectors.joining(", "));
        return "(SELECT " + expression + " FROM (SELECT " + row + ") AS source)";
    }

    /** The server prints texts in single quotes, names in double ones, quotes inside twice, and no comments. */
    static String withoutPlaceholders(String expression) {
        StringBuilder escaped = new StringBuilder();
        char quote = 0;
        for (int i = 0; i < expression.length(); i++) {
            char c = expression.charAt(i);
            escaped.append(c);
            if (quote == 0 && c == '?') {
                escaped.append('?');
            } else if (quote == 0 && (c == '\'' || c == '"')) {
                quote = c;
            } else if (c == quote) {
                quote = 0;
            }
        }
        return escaped.toString();
    }
}
