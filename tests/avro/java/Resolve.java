import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Resolves values by Avro for Java. Each line of input is {"writer": schema, "reader": schema, "bodies": [hex]}; the line
 * of output has for each body {"event": JSON, "body": hex, by the reader's schema} or {"error": text}. Bytes are
 * {"bytes": hex}, and float and double {"bits": hex of the double}.
 */
public final class Resolve {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private static final GenericData MODEL = new GenericData() {
        @Override
        public Object newMap(Object old, int size) {
            return new LinkedHashMap<Object, Object>(); // the order of the writer
        }
    };

    private Resolve() {}

    public static void main(String[] words) throws IOException {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.println(answer(JSON.readTree(line)));
        }
    }

    private static ArrayNode answer(JsonNode asked) {
        Schema writer = parsed(asked.get("writer"));
        Schema reader = parsed(asked.get("reader"));
        ArrayNode answers = NODES.arrayNode();
        for (JsonNode body : asked.get("bodies")) {
            ObjectNode said = answers.addObject();
            try {
                Object event = read(writer, reader, HexFormat.of().parseHex(body.asText()));
                said.set("event", plain(event));
                said.put("body", HexFormat.of().formatHex(written(reader, event)));
            } catch (Exception error) {
                said.removeAll().put("error", error.toString());
            }
        }
        return answers;
    }

    private static Schema parsed(JsonNode schema) {
        return new Schema.Parser().parse(schema.toString());
    }

    private static Object read(Schema writer, Schema reader, byte[] body) throws IOException {
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(body, null);
        var events = new GenericDatumReader<Object>(writer, reader, MODEL);
        Object event = events.read(null, decoder);
        if (!decoder.isEnd()) {
            throw new IOException("bytes behind the value");
        }
        return event;
    }

    private static byte[] written(Schema reader, Object event) throws IOException {
        var out = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<Object>(reader, MODEL).write(event, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    private static JsonNode plain(Object value) {
        if (value instanceof IndexedRecord record) {
            ObjectNode fields = NODES.objectNode();
            for (Schema.Field field : record.getSchema().getFields()) {
                fields.set(field.name(), plain(record.get(field.pos())));
            }
            return fields;
        } else if (value instanceof Map<?, ?> map) {
            ObjectNode entries = NODES.objectNode();
            map.forEach((key, each) -> entries.set(key.toString(), plain(each)));
            return entries;
        } else if (value instanceof Collection<?> items) {
            ArrayNode list = NODES.arrayNode();
            items.forEach(each -> list.add(plain(each)));
            return list;
        } else if (value instanceof ByteBuffer buffer) {
            byte[] content = new byte[buffer.remaining()];
            buffer.duplicate().get(content);
            return tagged("bytes", HexFormat.of().formatHex(content));
        } else if (value instanceof GenericFixed fixed) {
            return tagged("bytes", HexFormat.of().formatHex(fixed.bytes()));
        } else if (value instanceof Float || value instanceof Double) {
            double number = ((Number) value).doubleValue();
            return tagged("bits", HexFormat.of().toHexDigits(Double.doubleToRawLongBits(number)));
        } else if (value instanceof Number number) {
            return NODES.numberNode(number.longValue());
        } else if (value instanceof Boolean flag) {
            return NODES.booleanNode(flag);
        }
        return value == null ? NODES.nullNode() : NODES.textNode(value.toString());
    }

    private static JsonNode tagged(String tag, String content) {
        return NODES.objectNode().put(tag, content);
    }
}
