defmodule Cases do
  # One case of vectors/signing.json, as this package answers it: a URL, claims, or "!" and a code.

  @claims ~w(sub path size type etag iat exp)

  def answer(one) do
    signer = Gatepass.Signer.new!(key: one["key"], public_url: Map.get(one, "public_url", "https://files.example.net"))

    case one do
      %{"kind" => "receipt"} -> signer |> Gatepass.Signer.verify_receipt(one["token"], one["now"]) |> written()
      _ -> signer |> Gatepass.Signer.sign(one["path"], options(one["policy"])) |> written()
    end
  end

  def expected(%{"url" => url}), do: url
  def expected(%{"expect" => %{"accept" => claims}}), do: line(claims)
  def expected(%{"expect" => %{"refuse" => code}}), do: "!#{code}"

  def answer_all(input), do: input |> Gatepass.Json.parse!() |> Enum.map_join(&[answer(&1), "\n"])

  defp options(policy), do: Enum.map(policy, fn {name, value} -> {String.to_atom(name), value} end)

  defp written({:ok, url}) when is_binary(url), do: url
  defp written({:ok, claims}), do: line(Map.new(@claims, &{&1, Map.get(claims, String.to_atom(&1))}))
  defp written({:error, error}), do: "!#{error.code}"

  defp line(claims), do: Enum.map_join(@claims, "\t", &claims[&1])
end
