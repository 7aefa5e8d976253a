import { files } from "./gatepass";
import { Photo } from "./photo";

export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <>
      <h1>Photos</h1>
      <Photo />
      <ul>
        {[...files.values()].map(({ id, url, size }) => (
          <li key={id}><a href={url}><img src={url} height="120" alt="" /></a> {size} bytes</li>
        ))}
      </ul>
    </>
  );
}
