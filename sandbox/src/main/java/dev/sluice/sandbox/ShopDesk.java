package dev.sluice.sandbox;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * The shop as one of several connections works on it: the statements, and the rows that only this connection changes.
 *
 * <p>Each connection makes keys of its own, {@code desk, desk + desks, …}, and remembers which of its rows are alive,
 * so what it does follows from the random numbers alone. The first customers and all products belong to everybody: they
 * are where connections meet, wait for each other and deadlock.
 *
 * <p>Threads: one.
 */
final class ShopDesk {
    static final int SHARED_CUSTOMERS = 200;
    static final int PRODUCTS = 100;

    private static final int FIRST_OWN_KEY = 1_000;
    private static final int REMEMBERED = 10_000;

    private record Customer(long id, String email, List<Long> addresses) {}

    private record Payment(long id) {}

    private record Order(long id, int lines, List<Payment> payments) {}

    private final Connection connection;
    private final int desk;
    private final int desks;
    private final Undo undo = new Undo();
    private final Undo.Bag<Customer> customers = new Undo.Bag<>(undo);
    private final Undo.Bag<Customer> prospects = new Undo.Bag<>(undo);
    private final Undo.Bag<Order> orders = new Undo.Bag<>(undo);
    private final Map<TableId, Integer> counts = new TreeMap<>();

    private long nextCustomer;
    private long nextOrder;
    private long nextPayment;

    private Random random;
    private ShopValues values;

    ShopDesk(Connection connection, int desk, int desks) throws SQLException {
        this.connection = connection;
        this.desk = desk;
        this.desks = desks;
        load();
    }

    // ---- one transaction ----

    /** Starts a transaction whose content follows from {@code random}. */
    void begin(Random random) {
        this.random = random;
        values = new ShopValues(random);
        counts.clear();
    }

    /** Rows changed so far in this transaction, by table. */
    Map<TableId, Integer> counts() {
        return counts;
    }

    void commit() throws SQLException {
        connection.commit();
        undo.commit();
    }

    void rollback() throws SQLException {
        undo.rollbackTo(0);
        connection.rollback();
    }

    /** Does {@code work} behind a savepoint and takes it back. */
    void inVain(ShopClerk.Work work) throws SQLException {
        Savepoint savepoint = connection.setSavepoint();
        int remembered = undo.savepoint();
        Map<TableId, Integer> before = new TreeMap<>(counts);
        work.on(this);
        connection.rollback(savepoint);
        undo.rollbackTo(remembered);
        counts.clear();
        counts.putAll(before);
    }

    // ---- what people do ----

    void register() throws SQLException {
        long id = nextCustomer;
        nextCustomer += desks;
        Customer customer = insertCustomer(id, "c" + id + "@example.org");
        (random.nextBoolean() ? customers : prospects).add(customer);
    }

    /** A prospect leaves, and in the same transaction somebody new takes over the address, which is unique. */
    void handOverEmail() throws SQLException {
        if (prospects.isEmpty()) {
            register();
            return;
        }
        Customer gone = removeProspect();
        long id = nextCustomer;
        nextCustomer += desks;
        prospects.add(insertCustomer(id, gone.email()));
    }

    void leave() throws SQLException {
        if (prospects.isEmpty()) {
            register();
        } else {
            removeProspect();
        }
    }

    private Customer insertCustomer(long id, String email) throws SQLException {
        change(Shop.CUSTOMERS, "INSERT INTO customers (id, email, name, status, profile, tags, credit, created_at)"
                        + " VALUES (?, ?, ?, ?::customer_status, ?::jsonb, ?::text[], ?, ?::timestamptz)",
                id, email, values.words(3), values.customerStatus(), values.profile(), values.tags(), values.credit(),
                values.time());
        List<Long> addresses = new ArrayList<>();
        for (int count = random.nextInt(3); count > 0; count--) {
            addresses.add(returning(Shop.ADDRESSES, "INSERT INTO addresses (customer_id, kind, street, zip, valid)"
                            + " VALUES (?, ?, ?, ?, ?::daterange) RETURNING id",
                    id, count == 1 ? "home" : "work", values.note(), "1234" + count, values.range()));
        }
        return new Customer(id, email, addresses);
    }

    private Customer removeProspect() throws SQLException {
        Customer gone = prospects.take(random);
        change(Shop.ADDRESSES, "DELETE FROM addresses WHERE customer_id = ?", gone.id());
        change(Shop.CUSTOMERS, "DELETE FROM customers WHERE id = ?", gone.id());
        return gone;
    }

    void changeCustomer() throws SQLException {
        long id = anyCustomer();
        switch (random.nextInt(4)) {
            case 0 -> change(Shop.CUSTOMERS, "UPDATE customers SET profile = ?::jsonb WHERE id = ?", values.profile(), id);
            case 1 -> change(Shop.CUSTOMERS, "UPDATE customers SET tags = ?::text[], credit = ? WHERE id = ?",
                    values.tags(), values.credit(), id);
            case 2 -> change(Shop.CUSTOMERS, "UPDATE customers SET status = ?::customer_status WHERE id = ?",
                    values.customerStatus(), id);
            default -> change(Shop.ADDRESSES, "UPDATE addresses SET street = ?, valid = ?::daterange WHERE customer_id = ?",
                    values.note(), values.range(), id);
        }
    }

    /** A primary key changes, to one from the server: the only way for GENERATED ALWAYS. */
    void renumberAddresses() throws SQLException {
        if (customers.isEmpty()) {
            register();
            return;
        }
        Customer customer = customers.pick(random);
        change(Shop.ADDRESSES, "UPDATE addresses SET id = DEFAULT WHERE customer_id = ?", customer.id());
    }

    void placeOrder() throws SQLException {
        long id = nextOrder;
        nextOrder += desks;
        change(Shop.ORDERS, "INSERT INTO orders (id, customer_id, reference, total, discount, note, placed_at)"
                        + " VALUES (?, ?, ?::uuid, ?::numeric, ?::numeric, ?, ?::timestamptz)",
                id, anyCustomer(), values.uuid(id), values.price(), values.discount(), values.note(), values.time());
        int lines = 1 + random.nextInt(6);
        for (int line = 1; line <= lines; line++) {
            insertLine(id, line);
        }
        change(Shop.PRODUCTS, "UPDATE products SET stock = stock - ? WHERE id = ?", lines, anyProduct());
        orders.add(new Order(id, lines, new ArrayList<>()));
    }

    private void insertLine(long order, int line) throws SQLException {
        change(Shop.ORDER_ITEMS, "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price)"
                + " VALUES (?, ?, ?, ?, ?::numeric)", order, line, anyProduct(), 1 + random.nextInt(9), values.price());
    }

    void changeOrders() throws SQLException {
        for (int count = 1 + random.nextInt(5); count > 0 && !orders.isEmpty(); count--) {
            Order order = orders.pick(random);
            if (random.nextBoolean()) {
                change(Shop.ORDERS, "UPDATE orders SET status = ?::order_status WHERE id = ?", values.orderStatus(), order.id());
            } else {
                change(Shop.ORDERS, "UPDATE orders SET note = ?, total = total + ?::numeric WHERE id = ?", values.note(),
                        values.price(), order.id());
            }
        }
    }

    /** Lines get other quantities and other keys, vanish, and come back under the same key. */
    void changeLines() throws SQLException {
        if (orders.isEmpty()) {
            placeOrder();
            return;
        }
        Order order = orders.pick(random);
        change(Shop.ORDER_ITEMS, "UPDATE order_items SET quantity = ? WHERE order_id = ?", 1 + random.nextInt(9), order.id());
        switch (random.nextInt(3)) {
            case 0 -> {
                change(Shop.ORDER_ITEMS, "DELETE FROM order_items WHERE order_id = ? AND line_no = 1", order.id());
                insertLine(order.id(), 1);
            }
            case 1 -> change(Shop.ORDER_ITEMS, "UPDATE order_items SET line_no = (SELECT max(line_no) + 1 FROM order_items"
                    + " WHERE order_id = ?) WHERE order_id = ? AND line_no = ?", order.id(), order.id(), order.lines());
            default -> change(Shop.ORDER_ITEMS, "DELETE FROM order_items WHERE order_id = ? AND line_no = ?", order.id(),
                    order.lines());
        }
    }

    void pay() throws SQLException {
        if (orders.isEmpty()) {
            placeOrder();
            return;
        }
        Order order = orders.pick(random);
        long id = nextPayment;
        nextPayment += desks;
        change(Shop.PAYMENTS,
                "INSERT INTO payments (id, paid_on, order_id, amount, method) VALUES (?, ?::date, ?, ?::numeric, ?)",
                id, values.day(), order.id(), values.price(), values.note());
        change(Shop.ORDERS, "UPDATE orders SET status = 'paid' WHERE id = ?", order.id());
        Payment payment = new Payment(id);
        order.payments().add(payment);
        undo.add(() -> order.payments().remove(payment));
    }

    /** Some move to another partition, which also changes their primary key. */
    void clearPayments() throws SQLException {
        if (orders.isEmpty()) {
            placeOrder();
            return;
        }
        for (Payment payment : orders.pick(random).payments()) {
            if (random.nextBoolean()) {
                change(Shop.PAYMENTS, "UPDATE payments SET paid_on = ?::date WHERE id = ?", values.day(), payment.id());
            } else {
                change(Shop.PAYMENTS, "UPDATE payments SET cleared = NOT cleared WHERE id = ?", payment.id());
            }
        }
        changeOrders();
    }

    void cancelOrder() throws SQLException {
        if (orders.isEmpty()) {
            placeOrder();
            return;
        }
        Order order = orders.take(random);
        change(Shop.PAYMENTS, "DELETE FROM payments WHERE order_id = ?", order.id());
        if (random.nextBoolean()) {
            change(Shop.ORDER_ITEMS, "DELETE FROM order_items WHERE order_id = ?", order.id());
        } else {
            cascade(order.id());
        }
        change(Shop.ORDERS, "DELETE FROM orders WHERE id = ?", order.id());
    }

    /** Placed and cancelled within one transaction: nothing of it is left, but the stream carries it all. */
    void changeOfMind() throws SQLException {
        long id = nextOrder;
        nextOrder += desks;
        change(Shop.ORDERS, "INSERT INTO orders (id, customer_id, reference, total) VALUES (?, ?, ?::uuid, 1)",
                id, anyCustomer(), values.uuid(id));
        insertLine(id, 1);
        change(Shop.ORDER_ITEMS, "UPDATE order_items SET quantity = quantity + 1 WHERE order_id = ?", id);
        cascade(id);
        change(Shop.ORDERS, "DELETE FROM orders WHERE id = ?", id);
    }

    /** Mostly leaves the long text alone, which then is not in the stream. */
    void changeProduct() throws SQLException {
        long id = anyProduct();
        switch (random.nextInt(6)) {
            case 0 -> change(Shop.PRODUCTS, "UPDATE products SET description = ? WHERE id = ?", values.description(), id);
            case 1 -> change(Shop.PRODUCTS, "UPDATE products SET picture = ?, weight = ? WHERE id = ?", values.picture(),
                    values.weight(), id);
            case 2 -> change(Shop.PRODUCTS, "UPDATE products SET name = ? WHERE id = ?", values.words(4), id);
            default -> change(Shop.PRODUCTS, "UPDATE products SET price = ?::numeric, stock = stock + 10 WHERE id = ?",
                    values.price(), id);
        }
    }

    /** Two unique values change places. */
    void swapSkus() throws SQLException {
        long one = anyProduct();
        long other = anyProduct();
        if (one == other) {
            return;
        }
        String oneSku = text("SELECT sku FROM products WHERE id = ? FOR UPDATE", one);
        String otherSku = text("SELECT sku FROM products WHERE id = ? FOR UPDATE", other);
        change(Shop.PRODUCTS, "UPDATE products SET sku = ? WHERE id = ?", "swap-" + desk, one);
        change(Shop.PRODUCTS, "UPDATE products SET sku = ? WHERE id = ?", oneSku, other);
        change(Shop.PRODUCTS, "UPDATE products SET sku = ? WHERE id = ?", otherSku, one);
    }

    /** 2,000 to 5,000 rows. */
    void importOrders() throws SQLException {
        int count = 500 + random.nextInt(750);
        long first = nextOrder;
        nextOrder += (long) desks * count;
        change(Shop.ORDERS, "INSERT INTO orders (id, customer_id, reference, total, placed_at) SELECT id, id % ? + 1,"
                        + " md5(id || '-imported')::uuid, id % 500, timestamptz '2025-01-01' + id * interval '1 minute'"
                        + " FROM (SELECT ?::bigint + place * ? AS id FROM generate_series(0, ?) AS place) AS new_order",
                SHARED_CUSTOMERS, first, desks, count - 1);
        change(Shop.ORDER_ITEMS, "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price)"
                        + " SELECT ?::bigint + place * ?, line, (place + line) % ? + 1, line, 9.99"
                        + " FROM generate_series(0, ?) AS place, generate_series(1, 3) AS line",
                first, desks, PRODUCTS, count - 1);
        for (int place = 0; place < count; place++) {
            orders.add(new Order(first + (long) place * desks, 3, new ArrayList<>()));
        }
    }

    /** Some thousand rows; what {@link #importOrders} made goes again in time. */
    void clearOut() throws SQLException {
        List<Long> ids = new ArrayList<>();
        for (int count = Math.min(800, orders.size() / 2); count > 0; count--) {
            ids.add(orders.take(random).id());
        }
        Object[] array = ids.toArray();
        change(Shop.PAYMENTS, "DELETE FROM payments WHERE order_id = ANY (?)", (Object) array);
        change(Shop.ORDER_ITEMS, "DELETE FROM order_items WHERE order_id = ANY (?)", (Object) array);
        change(Shop.ORDERS, "DELETE FROM orders WHERE id = ANY (?)", (Object) array);
    }

    /** One statement over all of the remembered orders. */
    void discountAll() throws SQLException {
        change(Shop.ORDER_ITEMS, "UPDATE order_items SET unit_price = unit_price * 0.9 WHERE (order_id, line_no) IN"
                + " (SELECT order_id, line_no FROM order_items WHERE order_id % ? = ? ORDER BY order_id DESC LIMIT 3000)",
                desks, desk);
    }

    boolean isCrowded() {
        return orders.size() > REMEMBERED;
    }

    private long anyCustomer() {
        return customers.isEmpty() || random.nextInt(3) == 0 ? 1 + random.nextInt(SHARED_CUSTOMERS) : customers.pick(random).id();
    }

    private long anyProduct() {
        return 1L + random.nextInt(PRODUCTS);
    }

    // ---- what is there ----

    /** Inserts the customers and products that belong to everybody, unless they are there; gives the rows by table. */
    static Map<TableId, Integer> stock(Connection connection, long seed) throws SQLException {
        ShopDesk desk = new ShopDesk(connection, 0, 1);
        desk.begin(new Random(seed));
        if (desk.number("SELECT count(*) FROM products") > 0) {
            return Map.of();
        }
        for (long id = 1; id <= SHARED_CUSTOMERS; id++) {
            desk.insertCustomer(id, "c" + id + "@example.org");
        }
        for (long id = 1; id <= PRODUCTS; id++) {
            desk.change(Shop.PRODUCTS, "INSERT INTO products (id, sku, name, price, weight, stock, description, picture)"
                            + " VALUES (?, ?, ?, ?::numeric, ?, 1000, ?, ?)",
                    id, "sku-" + id, desk.values.words(4), desk.values.price(), desk.values.weight(),
                    desk.values.description(), desk.values.picture());
        }
        connection.commit();
        return desk.counts();
    }

    private void load() throws SQLException {
        nextCustomer = firstKey("SELECT max(id) FROM customers");
        nextOrder = firstKey("SELECT max(id) FROM orders");
        nextPayment = firstKey("SELECT max(id) FROM payments");
        try (PreparedStatement own = connection.prepareStatement(
                "SELECT id, email, EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id) FROM customers c"
                        + " WHERE id >= ? AND id % ? = ? ORDER BY id DESC LIMIT ?")) {
            try (ResultSet rows = query(own, FIRST_OWN_KEY, desks, desk, REMEMBERED)) {
                while (rows.next()) {
                    Customer customer = new Customer(rows.getLong(1), rows.getString(2), new ArrayList<>());
                    (rows.getBoolean(3) ? customers : prospects).add(customer);
                }
            }
        }
        try (PreparedStatement own = connection.prepareStatement(
                "SELECT id, (SELECT count(*) FROM order_items i WHERE i.order_id = o.id),"
                        + " ARRAY(SELECT p.id FROM payments p WHERE p.order_id = o.id ORDER BY 1) FROM orders o"
                        + " WHERE id >= ? AND id % ? = ? ORDER BY id DESC LIMIT ?")) {
            try (ResultSet rows = query(own, FIRST_OWN_KEY, desks, desk, REMEMBERED / 2)) {
                while (rows.next()) {
                    List<Payment> payments = new ArrayList<>();
                    for (Long id : (Long[]) rows.getArray(3).getArray()) {
                        payments.add(new Payment(id));
                    }
                    orders.add(new Order(rows.getLong(1), rows.getInt(2), payments));
                }
            }
        }
        connection.commit();
        undo.commit();
    }

    /** Above everything there is, and this desk's. */
    private long firstKey(String max) throws SQLException {
        long free = Math.max(FIRST_OWN_KEY, number(max) + 1);
        return (free / desks + 1) * desks + desk;
    }

    // ---- statements ----

    private int change(TableId table, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, parameters);
            int rows = statement.executeUpdate();
            counts.merge(table, rows, Integer::sum);
            return rows;
        }
    }

    private long returning(TableId table, String sql, Object... parameters) throws SQLException {
        counts.merge(table, 1, Integer::sum);
        return number(sql, parameters);
    }

    /** Counts the lines that will go with their order. */
    private void cascade(long order) throws SQLException {
        long lines = number("SELECT count(*) FROM order_items WHERE order_id = ?", order);
        counts.merge(Shop.ORDER_ITEMS, (int) lines, Integer::sum);
    }

    private long number(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql);
                ResultSet row = query(statement, parameters)) {
            row.next();
            return row.getLong(1);
        }
    }

    private String text(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql);
                ResultSet row = query(statement, parameters)) {
            row.next();
            return row.getString(1);
        }
    }

    private ResultSet query(PreparedStatement statement, Object... parameters) throws SQLException {
        bind(statement, parameters);
        return statement.executeQuery();
    }

    private void bind(PreparedStatement statement, Object... parameters) throws SQLException {
        for (int i = 0; i < parameters.length; i++) {
            Object parameter = parameters[i];
            if (parameter instanceof Object[] array) {
                statement.setArray(i + 1, connection.createArrayOf("bigint", array));
            } else {
                statement.setObject(i + 1, parameter);
            }
        }
    }
}
