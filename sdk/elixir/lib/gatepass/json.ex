defmodule Gatepass.Json do
  @moduledoc false
  # Reads JSON (RFC 8259), because Elixir before 1.18 does not. What is no JSON is an ArgumentError.

  @depth_max 64

  def parse!(text) do
    unless String.valid?(text), do: fail()

    case text |> value(0) |> then(fn {value, rest} -> {value, blanks(rest)} end) do
      {value, ""} -> value
      _ -> fail()
    end
  end

  defp value(_, depth) when depth > @depth_max, do: fail()

  defp value(text, depth) do
    case blanks(text) do
      "{" <> rest -> rest |> blanks() |> object(%{}, depth)
      "[" <> rest -> rest |> blanks() |> array([], depth)
      "\"" <> rest -> string(rest, [])
      "true" <> rest -> {true, rest}
      "false" <> rest -> {false, rest}
      "null" <> rest -> {nil, rest}
      rest -> number(rest)
    end
  end

  defp object("}" <> rest, members, _) when members == %{}, do: {members, rest}

  defp object("\"" <> rest, members, depth) do
    {name, rest} = string(rest, [])

    {value, rest} =
      case blanks(rest) do
        ":" <> rest -> value(rest, depth + 1)
        _ -> fail()
      end

    members = Map.put(members, name, value)

    case blanks(rest) do
      "," <> rest -> rest |> blanks() |> object(members, depth)
      "}" <> rest -> {members, rest}
      _ -> fail()
    end
  end

  defp object(_, _, _), do: fail()

  defp array("]" <> rest, [], _), do: {[], rest}

  defp array(text, items, depth) do
    {value, rest} = value(text, depth + 1)

    case blanks(rest) do
      "," <> rest -> array(rest, [value | items], depth)
      "]" <> rest -> {Enum.reverse([value | items]), rest}
      _ -> fail()
    end
  end

  defp string("\"" <> rest, read), do: {read |> Enum.reverse() |> IO.iodata_to_binary(), rest}
  defp string("\\u" <> rest, read), do: unit(rest, read)

  defp string(<<"\\", kind, rest::binary>>, read) do
    plain = %{?" => "\"", ?\\ => "\\", ?/ => "/", ?b => "\b", ?f => "\f", ?n => "\n", ?r => "\r", ?t => "\t"}
    string(rest, [Map.get(plain, kind) || fail() | read])
  end

  defp string(<<char::utf8, rest::binary>>, read) when char >= 32, do: string(rest, [<<char::utf8>> | read])
  defp string(_, _), do: fail()

  # A character outside the basic plane is written as a surrogate pair.
  defp unit(<<high::binary-size(4), "\\u", low::binary-size(4), rest::binary>> = text, read) do
    case {hex(high), hex(low)} do
      {high, low} when high in 0xD800..0xDBFF and low in 0xDC00..0xDFFF ->
        string(rest, [<<0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)::utf8>> | read])

      _ ->
        single(text, read)
    end
  end

  defp unit(text, read), do: single(text, read)

  defp single(<<unit::binary-size(4), rest::binary>>, read) do
    case hex(unit) do
      code when code in 0xD800..0xDFFF -> fail()
      code -> string(rest, [<<code::utf8>> | read])
    end
  end

  defp single(_, _), do: fail()

  defp hex(digits), do: if(digits =~ ~r/\A[0-9A-Fa-f]{4}\z/, do: String.to_integer(digits, 16), else: fail())

  defp number(text) do
    case Regex.run(~r/\A(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][+-]?[0-9]+)?/, text) do
      [all, whole] -> {String.to_integer(whole), rest(text, all)}
      [all, whole, fraction] -> {String.to_float(whole <> fraction), rest(text, all)}
      [all, whole, "", exponent] -> {String.to_float(whole <> ".0" <> exponent), rest(text, all)}
      [all, whole, fraction, exponent] -> {String.to_float(whole <> fraction <> exponent), rest(text, all)}
      nil -> fail()
    end
  end

  defp rest(text, read), do: binary_part(text, byte_size(read), byte_size(text) - byte_size(read))

  defp blanks(<<blank, rest::binary>>) when blank in ' \t\r\n', do: blanks(rest)
  defp blanks(rest), do: rest

  defp fail, do: raise(ArgumentError, "no JSON")
end
