defmodule Gatepass.Policy do
  @moduledoc false
  # The query that is signed.

  @value_bytes_max 1024
  @list_max 32
  @size_max 9_007_199_254_740_991
  @expiry_max 99_999_999_999
  @expires_in_default 3600
  # 48 KiB, less `&signature=` and its 43 characters.
  @query_bytes_max 48 * 1024 - 54

  @type_form ~r/\A[A-Za-z0-9!#$&^_.+-]{1,127}\/(?:[A-Za-z0-9!#$&^_.+-]{1,127}|\*)\z/
  @texts [:ref, :download, :kid]

  # `expiry`, `method`, then the rest by name.
  def query!(options) do
    options = Enum.reject(options, fn {_, value} -> is_nil(value) end)
    {first, rest} = Keyword.split(options, [:expires_in, :expiry, :method])
    named = rest |> Enum.flat_map(&parameter/1) |> Map.new() |> Enum.sort()
    values = for {name, value} <- named, do: "#{name}=#{Gatepass.Path.escape(value, '/*,:@')}"
    query = Enum.join(["expiry=#{expiry(first)}"] ++ method(first[:method]) ++ values, "&")
    if byte_size(query) > @query_bytes_max, do: bad("query", "all values together are longer than 48 KiB, encoded")
    query
  end

  defp expiry(options) do
    expires_in = Keyword.get(options, :expires_in, @expires_in_default)

    cond do
      Keyword.has_key?(options, :expires_in) and Keyword.has_key?(options, :expiry) ->
        bad("expiry", "give it or expires_in, not both")

      not (is_integer(expires_in) and expires_in >= 1) ->
        bad("expires_in", "must be a whole number of seconds, 1 or more")

      true ->
        options |> Keyword.get_lazy(:expiry, fn -> System.os_time(:second) + expires_in end) |> moment()
    end
  end

  defp moment(expiry) when is_integer(expiry) and expiry in 1..@expiry_max, do: expiry
  defp moment(_), do: bad("expiry", "must be 1 to 99999999999 Unix seconds")

  defp method(nil), do: []
  defp method(method) when method in [:get, :put, :delete], do: ["method=#{method}"]
  defp method(method) when method in ["get", "put", "delete"], do: ["method=#{method}"]
  defp method(_), do: bad("method", "must be get, put or delete")

  defp parameter({name, value}) when name in [:max_size, :size], do: [{"#{name}", bytes(name, value)}]
  defp parameter({name, value}) when name in @texts, do: [{"#{name}", text(name, value)}]
  defp parameter({:type, value}), do: [{"type", types(value)}]
  defp parameter({:sha256, value}), do: [{"sha256", digest(value)}]
  defp parameter({:overwrite, true}), do: []
  defp parameter({:overwrite, false}), do: [{"overwrite", "false"}]
  defp parameter({:overwrite, _}), do: bad("overwrite", "must be true or false")
  defp parameter({:meta, entries}), do: meta(entries)
  defp parameter({name, _}), do: bad(name, "is no option of a signed URL")

  defp bytes(_, value) when is_integer(value) and value in 0..@size_max, do: Integer.to_string(value)
  defp bytes(name, _), do: bad(name, "must be a whole number of bytes, at most 2^53 - 1")

  defp types(value) when is_binary(value), do: value |> :binary.split(",", [:global]) |> types()

  defp types([_ | _] = list) when length(list) <= @list_max do
    unless Enum.all?(list, &(is_binary(&1) and &1 =~ @type_form)) do
      bad("type", "must be types such as image/png or image/*")
    end

    Enum.join(list, ",")
  end

  defp types(_), do: bad("type", "must be 1 to 32 types")

  defp digest(value) do
    unless is_binary(value) and value =~ ~r/\A[0-9A-Fa-f]{64}\z/, do: bad("sha256", "must be 64 hexadecimal digits")
    String.downcase(value, :ascii)
  end

  defp meta(entries) when is_map(entries) or is_list(entries) do
    entries = Map.new(entries, fn {name, value} -> {to_string(name), value} end)
    if map_size(entries) > @list_max, do: bad("meta", "at most 32 entries")
    Enum.map(entries, fn {name, value} -> {"meta.#{meta_name(name)}", text("meta.#{name}", value)} end)
  end

  defp meta(_), do: bad("meta", "must be a map or a keyword list of texts")

  defp meta_name(name) do
    unless name =~ ~r/\A[A-Za-z0-9_-]{1,64}\z/ do
      bad("meta.#{name}", "the name must be 1 to 64 letters, digits, _ or -")
    end

    name
  end

  defp text(name, value) do
    cond do
      not is_binary(value) or not String.valid?(value) -> bad(name, "must be text in UTF-8")
      byte_size(value) > @value_bytes_max -> bad(name, "longer than 1024 bytes")
      value =~ ~r/[\x{0}-\x{1f}\x{7f}-\x{9f}]/u -> bad(name, "has a control character")
      true -> value
    end
  end

  defp bad(name, reason) do
    raise Gatepass.SigningError, code: :policy_malformed, message: "#{name}: #{reason}"
  end
end
